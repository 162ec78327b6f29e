"""Float problems with operands and their references, as tests of the float oracle need them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from immabench.data_types import round_to
from immabench.float_oracle import FloatReference, float_reference
from immabench.operands import Operands, make_operands, typed_operands
from immabench.problems import Problem

SCALED = {"row_scale": "vector", "col_scale": "vector", "bias": True}


def fp8(m: int, n: int, k: int, output_type: str = "f16", **epilogue: object) -> Problem:
    return Problem(m, n, k, "e4m3", "e4m3", output_type, **epilogue)  # type: ignore[arg-type]


def asked(problem: Problem) -> Problem:
    """The s8 problem that `problem` is the float form of."""
    return replace(problem, a_type="s8", b_type="s8", b_group=0, b_scale="none")


def operands_of(problem: Problem, seed: int = 0) -> Operands:
    return make_operands(asked(problem), seed)


def referenced(problem: Problem, seed: int = 0) -> tuple[Operands, FloatReference]:
    typed = typed_operands(problem, operands_of(problem, seed))
    return typed, float_reference(problem, typed)


def grouped(m: int, n: int, k: int, **fields: object) -> Problem:
    """16-bit activations and u4 weights in groups of 32."""
    return Problem(m, n, k, **{"a_type": "f16", "b_type": "u4", "b_group": 32, "b_scale": "float", **fields})  # type: ignore[arg-type]


def general(problem: Problem, seed: int = 0) -> Operands:
    """Operands whose mantissas are full, so that sums round."""
    generator = np.random.default_rng(seed)
    typed = typed_operands(problem, make_operands(problem))
    a = generator.normal(0, 1, (problem.m, problem.k)).astype(np.float32)
    scale = generator.uniform(0.01, 0.1, (problem.n, problem.k // problem.b_group)).astype(np.float32)
    return replace(typed, a=round_to(problem.a_type, a), group_scale=round_to(problem.a_type, scale))
