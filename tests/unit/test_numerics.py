"""The oracles of integers, against slow references written differently."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.activations import activate
from immabench.data_types import as_float32, round_to
from immabench.errors import UsageError
from immabench.numerics import accumulate, compare_exact, dequantize, gemm_reference, quantize
from immabench.operands import OPERAND_NAMES, Operands, make_operands, poisoned_output, typed_operands
from immabench.problems import MAX_K_S8, Problem

FINITE32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
SCALES = st.floats(2.0**-20, 2.0**20, width=32)


class TestQuantize:
    def test_ties_go_to_even(self) -> None:
        x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5], np.float32)
        assert quantize(x, 1.0).tolist() == [0, 2, 2, 0, -2, -2, 126]

    def test_nan_gives_the_zero_point_and_infinities_saturate(self) -> None:
        x = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38], np.float32)
        assert quantize(x, 1e-3, zero_point=7).tolist() == [7, 127, -128, 127, -128]

    def test_symmetric_range(self) -> None:
        assert quantize([-1e9, 1e9], 1.0, qmin=-127, qmax=127).tolist() == [-127, 127]

    def test_scales_broadcast_a_row(self) -> None:
        x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
        assert quantize(x, np.array([[1.0], [0.5]], np.float32)).tolist() == [[1, 2], [6, 8]]

    def test_zero_point_is_added_after_rounding(self) -> None:
        assert quantize([0.5, 1.5], 1.0, zero_point=1).tolist() == [1, 3]

    @given(FINITE32, SCALES, st.integers(-128, 127))
    def test_agrees_with_exact_arithmetic(self, x: float, scale: float, zero_point: int) -> None:
        with np.errstate(over="ignore", under="ignore"):
            ratio = np.float32(x) / np.float32(scale)
        exact = round(Fraction(float(ratio))) if np.isfinite(ratio) else int(math.copysign(10**9, ratio))
        assert quantize([x], scale, zero_point)[0] == min(127, max(-128, exact + zero_point))

    @given(st.integers(-128, 127), SCALES)
    def test_undoes_dequantize(self, q: int, scale: float) -> None:
        assert quantize(dequantize([q], scale), scale)[0] == q

    @pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
    def test_bad_scales(self, scale: float) -> None:
        with pytest.raises(UsageError, match=r"scale\[0\] is .*positive and finite"):
            quantize([1.0], scale)

    def test_empty_scale_and_bad_range(self) -> None:
        with pytest.raises(UsageError, match="scale is empty"):
            quantize([1.0], np.empty(0, np.float32))
        with pytest.raises(UsageError, match="not a range of int8"):
            quantize([1.0], 1.0, qmin=0, qmax=255)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_accumulate_is_exact(m: int, n: int, k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = (generator.integers(-128, 128, (rows, k), np.int8) for rows in (m, n))
    assert (accumulate(a, b) == a.astype(np.int64) @ b.astype(np.int64).T).all()


@pytest.mark.parametrize("value", [-128, 127])
def test_accumulate_at_the_largest_k(value: int) -> None:
    a = np.full((1, MAX_K_S8), value, np.int8)
    b = np.full((2, MAX_K_S8), -128, np.int8)
    assert accumulate(a, b).tolist() == [[MAX_K_S8 * value * -128] * 2]


def test_accumulate_crosses_every_block_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.numerics.BLOCK_ROWS", 3)
    monkeypatch.setattr("immabench.numerics.BLOCK_K", 4)
    operands = make_operands(Problem(7, 8, 9))
    assert (accumulate(operands.a, operands.b) == operands.a.astype(int) @ operands.b.astype(int).T).all()


def test_a_thousand_cubed_takes_a_second_at_most() -> None:
    problem = Problem(1024, 1024, 1024)
    operands = make_operands(problem)
    start = time.process_time()
    gemm_reference(problem, operands)
    assert time.process_time() - start < 5.0  # CPU seconds on a loaded machine; 0.1 is usual


class TestGemmReference:
    def test_epilogue_rounds_at_every_step(self) -> None:
        problem = Problem(1, 1, 1, output_type="f32", row_scale="vector", col_scale="vector", bias=True)
        row, col, bias = (np.array([value], np.float32) for value in (0.1, 0.3, -0.7))
        operands = Operands(np.array([[77]], np.int8), np.array([[-91]], np.int8), row, col, bias)
        want = np.float32(np.float32(np.float32(77 * -91) * row[0]) * col[0]) + bias[0]
        assert gemm_reference(problem, operands)[0, 0] == want

    def test_absent_steps_are_skipped(self) -> None:
        problem = Problem(2, 2, 3, output_type="f32")
        operands = make_operands(problem)
        assert (gemm_reference(problem, operands) == accumulate(operands.a, operands.b).astype(np.float32)).all()

    def test_accumulators_beyond_24_bits_round_to_even(self) -> None:
        problem = Problem(1, 1, 1025, output_type="f32")
        operands = Operands(np.full((1, 1025), -128, np.int8), np.full((1, 1025), -128, np.int8))
        operands.a[0, -1], operands.b[0, -1] = 1, 1
        assert gemm_reference(problem, operands)[0, 0] == float(2**24)  # 2**24 + 1 is a tie

    @pytest.mark.parametrize("output_type", ["f16", "bf16"])
    def test_narrow_outputs_round_once_from_fp32(self, output_type: str) -> None:
        narrow = Problem(5, 6, 7, output_type=output_type, row_scale="vector", col_scale="vector", bias=True)
        operands = make_operands(narrow)
        wide = Problem(5, 6, 7, output_type="f32", row_scale="vector", col_scale="vector", bias=True)
        want = round_to(output_type, gemm_reference(wide, operands))
        assert (gemm_reference(narrow, operands) == want).all()

    def test_a_zero_point_of_a_is_taken_off_before_it_could_overflow(self) -> None:
        problem = Problem(3, 4, 50, a_zero="vector")
        typed = typed_operands(problem, make_operands(problem))
        assert typed.a_zero is not None
        shifted = typed.a.astype(np.int64) - typed.a_zero[:, None]
        assert (gemm_reference(problem, typed) == shifted @ typed.b.astype(np.int64).T).all()

    @pytest.mark.parametrize("residual", ["f32", "f16", "bf16", "s8"])
    @pytest.mark.parametrize("activation", ["relu", "gelu"])
    def test_the_residual_is_added_before_the_activation(self, residual: str, activation: str) -> None:
        scales = {"row_scale": "vector", "col_scale": "vector", "bias": True}
        whole = Problem(5, 6, 8, output_type="f32", **scales, residual=residual, activation=activation)
        plain = Problem(5, 6, 8, output_type="f32", **scales)
        operands = make_operands(whole)
        typed = typed_operands(whole, operands)
        before = gemm_reference(plain, replace(typed, residual=None))
        assert typed.residual is not None
        if residual == "s8":
            assert operands.residual_zero is not None
            added = (typed.residual - operands.residual_zero).astype(np.float32) / np.float32(32)
        else:
            added = as_float32(residual, typed.residual)
        assert (gemm_reference(whole, typed) == activate(activation, before + added)).all()

    def test_int8_outputs_are_the_quantized_float_outputs(self) -> None:
        scales = {"row_scale": "vector", "col_scale": "vector", "bias": True}
        problem = Problem(40, 60, 300, output_type="s8", **scales, out_scale="vector", out_zero=True)
        typed = typed_operands(problem, make_operands(problem))
        floats = gemm_reference(Problem(40, 60, 300, output_type="f32", **scales), typed)
        got = gemm_reference(problem, typed)
        assert typed.out_scale is not None
        assert typed.out_zero is not None
        assert (got == quantize(floats, typed.out_scale, typed.out_zero)).all()
        assert {-128, 127} <= set(got.ravel().tolist())
        assert len(np.unique(got)) > 100  # most of the range, so that a wrong scale or zero point shows


class TestCompareExact:
    def test_equal_outputs_say_nothing(self) -> None:
        problem = Problem(2, 3, 4)
        want = gemm_reference(problem, make_operands(problem))
        assert compare_exact(problem, want.copy(), want).exact
        assert compare_exact(problem, want.copy(), want).describe() == ""

    def test_the_first_difference_is_named(self) -> None:
        problem = Problem(2, 3, 4)
        want = np.zeros((2, 3), np.int32)
        got = want.copy()
        got[1, 0], got[1, 2] = 5, 6
        comparison = compare_exact(problem, got, want)
        assert comparison.describe() == "2 of 6 elements differ, first C[1,0] is 5, expected 0"

    @pytest.mark.parametrize("output_type", ["s32", "f32", "f16", "bf16"])
    def test_poison_never_passes(self, output_type: str) -> None:
        problem = Problem(3, 3, 3, output_type=output_type)
        want = gemm_reference(problem, make_operands(problem))
        assert compare_exact(problem, poisoned_output(problem), want).wrong == 9

    def test_signs_of_zero_and_nan_payloads_are_bits(self) -> None:
        problem = Problem(1, 2, 1, output_type="f32")
        one = np.array([[0.0, np.nan]], np.float32)
        other = np.array([[0x80000000, 0x7FC00001]], np.uint32).view(np.float32)
        comparison = compare_exact(problem, one, other)
        assert comparison.wrong == 2
        assert compare_exact(problem, one[:, 1:], other[:, 1:]).describe().count("bits 0x7fc0000") == 2

    def test_shape_or_dtype_differ(self) -> None:
        problem = Problem(1, 2, 1)
        with pytest.raises(UsageError, match="expected int32"):
            compare_exact(problem, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.int32))


EVERYTHING = {
    "output_type": "s8",
    "row_scale": "vector",
    "col_scale": "vector",
    "bias": True,
    "a_zero": "vector",
    "residual": "s8",
    "activation": "gelu",
    "out_scale": "vector",
    "out_zero": True,
}


@pytest.mark.parametrize("epilogue", [{}, EVERYTHING, EVERYTHING | {"row_scale": "tensor", "out_scale": "tensor"}])
@pytest.mark.parametrize("data_type", ["s8", "s4", "b1"])
def test_a_batch_is_one_product_after_the_other(data_type: str, epilogue: dict[str, Any]) -> None:
    problem = Problem(5, 7, 16, data_type, data_type, batch=3, **epilogue)
    typed = typed_operands(problem, make_operands(problem))
    want = gemm_reference(problem, typed)
    assert want.shape == (3, 5, 7)
    for index in range(3):
        # What every product has of its own has the batch's dimension, what is one for all has one element.
        own = {name: values[index] if values.ndim > 1 else values for name, values in present(typed).items()}
        assert (gemm_reference(replace(problem, batch=1), Operands(**own)) == want[index]).all()
    assert not (want[0] == want[1]).all()


def present(operands: Operands) -> dict[str, np.ndarray]:
    return {name: getattr(operands, name) for name in OPERAND_NAMES if getattr(operands, name) is not None}


def test_a_difference_in_a_batch_is_named_with_its_product() -> None:
    problem = Problem(2, 3, 4, batch=2)
    want = np.zeros((2, 2, 3), np.int32)
    got = want.copy()
    got[1, 0, 2] = 5
    assert compare_exact(problem, got, want).describe() == "1 of 12 elements differ, first C[1,0,2] is 5, expected 0"
