"""Batches of float products: bounds, scales and determined sums of each product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from float_problems import SCALED, fp8, operands_of, referenced

from immabench.data_types import round_to
from immabench.float_oracle import compare_float, determined_reference, error_bound, float_reference, is_determined
from immabench.operands import OPERAND_NAMES, Operands, typed_operands
from immabench.problems import Problem


@pytest.mark.parametrize(
    "problem",
    [
        fp8(3, 4, 64, "f16", **SCALED),
        Problem(3, 4, 65, "f16", "f16", "f16", bias=True, residual="f16", activation="gelu"),
        Problem(3, 4, 65, "f32", "f32", "s8", **SCALED, out_scale="vector", out_zero=True),
    ],
    ids=lambda problem: problem.key,
)
def test_a_batch_has_the_bound_of_each_product(problem: Problem) -> None:
    batch = replace(problem, batch=3)
    typed, reference = referenced(batch)
    for index in range(3):
        own = {name: getattr(typed, name) for name in OPERAND_NAMES}
        own = {name: x[index] if x is not None and x.ndim > 1 else x for name, x in own.items()}
        single = float_reference(problem, Operands(**own))
        assert (reference.want[index] == single.want).all()
        assert (error_bound(batch, reference)[index] == error_bound(problem, single)).all()
    if problem.output_type != "s8":
        rounded = round_to(problem.output_type, reference.want.astype(np.float32))
        assert compare_float(batch, rounded, reference).exact
        rounded[2, 1, 1] += 1
        assert "first C[2,1,1]" in compare_float(batch, rounded, reference).describe()


def test_int8_outputs_of_a_batch_are_quantized_by_their_own_scales() -> None:
    problem = Problem(3, 4, 65, "f32", "f32", "s8", batch=3, out_scale="vector", out_zero=True)
    typed, reference = referenced(problem)
    assert typed.out_scale is not None
    assert typed.out_zero is not None
    codes = np.rint(reference.want / typed.out_scale[:, None, :]) + typed.out_zero[:, None, :]
    got = np.clip(codes, -128, 127).astype(np.int8)
    assert compare_float(problem, got, reference).exact
    # Rolled by a product, they are others'.
    assert not compare_float(problem, np.roll(got, 1, axis=0), reference).exact


def test_products_of_a_batch_are_determined_together() -> None:
    problem = Problem(3, 4, 64, "f16", "f16", "f32", batch=2)
    operands = operands_of(problem)
    small = typed_operands(problem, replace(operands, a=operands.a // 64, b=operands.b // 64))
    assert is_determined(problem, small)
    assert (
        determined_reference(problem, small) == small.a.astype(np.float32) @ small.b.astype(np.float32).swapaxes(1, 2)
    ).all()
    wide = small.a.copy()
    wide[1, 2, :2] = 60000.0, 2.0**-10
    assert not is_determined(problem, replace(small, a=wide))
