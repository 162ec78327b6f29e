"""The CPU's native epilogues against the numpy oracle: every bit, of hostile values, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_passes import FLOATS, columns, exactly, hostile_floats, integers, rows, same, scales, seeds, threads

from immabench import data_types
from immabench.data_types import NUMPY_TYPES
from immabench.kernels import native
from immabench.numerics import epilogue_reference, of_columns, of_rows
from immabench.operands import Operands
from immabench.problems import Problem

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = [
    pytest.mark.usefixtures("instructions"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of numpy, on hostile values
]


@st.composite
def epilogues(draw: Any) -> dict[str, Any]:
    """Fields of a problem, of any kind that there is."""
    kinds = st.sampled_from(("none", "tensor", "vector"))
    output = draw(st.sampled_from(("s8", *FLOATS)))
    return {
        "output_type": output,
        "row_scale": draw(kinds),
        "col_scale": draw(kinds),
        "a_zero": draw(kinds),
        "bias": draw(st.booleans()),
        "residual": draw(st.sampled_from(("none", "s8", *FLOATS))),
        "activation": draw(st.sampled_from(("none", "relu", "gelu"))),
        "out_scale": draw(st.sampled_from(("tensor", "vector"))) if output == "s8" else "none",
        "out_zero": output == "s8" and draw(st.booleans()),
    }


def epilogue_operands(problem: Problem, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What a problem's epilogue reads, hostile where values may be anything."""
    sizes = {"tensor": (1,), "row": problem.of_batch(problem.m), "column": problem.of_batch(problem.n)}

    def vector(kind: str, extent: str) -> tuple[int, ...]:
        return sizes["tensor" if kind == "tensor" else extent]

    made: dict[str, np.ndarray] = {}
    if problem.row_scale != "none":
        made["row_scale"] = scales(rng, *vector(problem.row_scale, "row"))
    if problem.col_scale != "none":
        made["col_scale"] = scales(rng, *vector(problem.col_scale, "column"))
    if problem.bias:
        made["bias"] = rng.normal(size=sizes["column"]).astype(np.float32)
    if problem.a_zero != "none":
        made["a_zero"] = integers(rng, -128, 127, *vector(problem.a_zero, "row"))
        made["b_sum"] = integers(rng, -(2**20), 2**20, *sizes["column"])
    made |= residual_operands(problem, rng)
    if problem.output_type == "s8":
        made["out_scale"] = scales(rng, *vector(problem.out_scale, "column"))
    if problem.out_zero:
        made["out_zero"] = integers(rng, -128, 127, *vector(problem.out_scale, "column"))
    return made


def residual_operands(problem: Problem, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shape = problem.of_batch(problem.m, problem.n)
    if problem.residual == "none":
        return {}
    if problem.residual != "s8":
        return {"residual": hostile_floats(rng, shape, problem.residual)}
    codes, zero = integers(rng, -128, 127, *shape, dtype=np.int8), integers(rng, -128, 127, 1)
    return {"residual": codes, "residual_scale": scales(rng, 1), "residual_zero": zero}


def sums_of(problem: Problem, rng: np.random.Generator, *, floats: bool) -> np.ndarray:
    shape = problem.of_batch(problem.m, problem.n)
    if floats:
        return hostile_floats(rng, shape)
    wide = integers(rng, -(2**31), 2**31 - 1, *shape)
    return np.where(rng.random(shape) < 0.7, wide >> rng.integers(0, 28, shape), wide).astype(np.int32)


def finished(problem: Problem, sums: np.ndarray, operands: dict[str, np.ndarray], threads: int) -> np.ndarray:
    out = np.full(sums.shape, 0x5A, NUMPY_TYPES[problem.output_type])
    native().finish_sums(sums, out, activation=problem.activation, threads=threads, **operands)
    return out


@exactly
@given(epilogues(), rows, columns, st.sampled_from((1, 3)), threads, seeds, st.booleans())
def test_epilogues_are_the_oracles(
    epilogue: dict[str, Any], m: int, n: int, batch: int, threads: int, seed: int, floats: bool
) -> None:
    rng = np.random.default_rng(seed)
    if floats:
        epilogue = {**epilogue, "a_zero": "none"}
    problem = Problem(m, n, 8, batch=batch, **epilogue)
    operands, sums = epilogue_operands(problem, rng), sums_of(problem, rng, floats=floats)
    total = sums
    if "a_zero" in operands:
        with np.errstate(over="ignore"):
            total = sums - of_rows(operands["a_zero"]) * of_columns(operands["b_sum"])
    want = epilogue_reference(problem, total, Operands(np.empty(0), np.empty(0), **operands))
    assert same(finished(problem, sums, operands, threads), want, problem.output_type)


@exactly
@given(rows, columns, st.sampled_from((1, 3)), st.sampled_from(("tensor", "vector")), threads, seeds)
def test_sums_lose_what_the_zero_point_added(m: int, n: int, batch: int, kind: str, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = Problem(m, n, 8, batch=batch, a_zero=kind)
    operands, sums = epilogue_operands(problem, rng), sums_of(problem, rng, floats=False)
    want = sums - of_rows(operands["a_zero"]) * of_columns(operands["b_sum"])
    assert np.array_equal(finished(problem, sums, operands, threads), want)
    in_place = sums.copy()
    native().finish_sums(in_place, in_place, threads=threads, **operands)
    assert np.array_equal(in_place, want)


def test_every_half_is_widened_and_rounded_as_numpy_does() -> None:
    """All 16-bit patterns as residuals, and every float with one of their halves, or between two of them, as sums."""
    every = np.arange(2**16, dtype=np.uint16)
    for data_type in ("f16", "bf16"):
        residual = every.view(NUMPY_TYPES[data_type]).reshape(1, -1)
        problem = Problem(1, 2**16, 8, output_type="f32", residual=data_type)
        sums = np.full(residual.shape, -0.0, np.float32)
        want = data_types.as_float32(data_type, residual) + sums
        assert same(finished(problem, sums, {"residual": residual}, 2), want, "f32")
        near = data_types.as_float32(data_type, residual).view(np.uint32)
        for step in (0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001):
            sums = (near + np.uint32(step)).view(np.float32)
            problem = Problem(1, 2**16, 8, output_type=data_type)
            with np.errstate(all="ignore"):
                want = data_types.round_to(data_type, sums)
            got = finished(problem, sums, {}, 2)
            assert same(got, want, data_type)
            assert (got.view(np.uint16)[np.isnan(sums)] == 0x7FFF).all()
