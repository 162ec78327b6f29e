"""The oracle of float problems: exact where it says so, and bounds that let rounding through and nothing else."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from immabench.float_oracle import (
    FloatReference,
    compare_float,
    compare_with_oracle,
    decoded_a,
    decoded_b,
    error_bound,
    float_bound,
    float_reference,
)
from immabench.numerics import Array, as_float32, e4m3_to_f32, round_to
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


@pytest.mark.parametrize(
    "problem",
    [
        Problem(3, 4, 64, "bf16", "s4", "bf16", b_group=32, b_scale="float"),
        Problem(3, 4, 64, "bf16", "s4", "bf16"),
        fp8(3, 4, 65),
        Problem(3, 4, 65, "f16", "f16", "f16"),
        Problem(3, 4, 65, "bf16", "bf16", "bf16"),
        Problem(3, 4, 65, "f32", "f32", "f32"),
    ],
    ids=lambda problem: problem.key,
)
def test_products_are_exact(problem: Problem) -> None:
    typed, reference = referenced(problem)
    a, b = decoded_a(problem, typed), decoded_b(problem, typed)
    for i in range(problem.m):
        for j in range(problem.n):
            terms = [Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a[i], b[j], strict=True)]
            assert Fraction(float(reference.want[i, j])) == sum(terms)
            assert reference.magnitude[i, j] == pytest.approx(float(sum(map(abs, terms))), rel=1e-6)


def test_crossing_every_block_edge_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fp8(7, 8, 9)
    whole = referenced(problem)[1].want
    monkeypatch.setattr("immabench.numerics.BLOCK_ROWS", 3)
    monkeypatch.setattr("immabench.numerics.BLOCK_K", 4)
    assert (referenced(problem)[1].want == whole).all()


def test_scales_and_bias_are_applied_where_the_problem_has_them() -> None:
    problem = fp8(5, 6, 32, "bf16", **SCALED)
    typed, reference = referenced(problem)
    assert typed.row_scale is not None
    assert typed.col_scale is not None
    assert typed.bias is not None
    total = e4m3_to_f32(typed.a).astype(np.float64) @ e4m3_to_f32(typed.b).astype(np.float64).T
    bias = as_float32("bf16", typed.bias).astype(np.float64)
    want = total * typed.row_scale.astype(np.float64)[:, None] * typed.col_scale.astype(np.float64) + bias
    assert np.allclose(reference.want, want, rtol=1e-14, atol=0)
    bare = replace(problem, row_scale="none", col_scale="tensor", bias=False)
    assert referenced(bare)[0].row_scale is None


def test_group_scales_reach_their_own_group_and_row() -> None:
    problem = Problem(1, 2, 64, "bf16", "s4", "bf16", b_group=32, b_scale="float")
    typed = typed_operands(problem, operands_of(problem))
    scale = as_float32("bf16", typed.group_scale)
    assert scale.shape == (2, 2)
    codes = decoded_b(problem, replace(typed, group_scale=None))
    for row in range(2):
        for group in range(2):
            part = slice(32 * group, 32 * group + 32)
            assert (decoded_b(problem, typed)[row, part] == codes[row, part] * scale[row, group]).all()


class TestFloatBound:
    PROBLEM = Problem(4, 5, 64, "f32", "f32", "f32", bias=True)

    def test_rounding_passes_and_a_wrong_element_does_not(self) -> None:
        reference = referenced(self.PROBLEM)[1]
        got = reference.want.astype(np.float32)
        assert compare_float(self.PROBLEM, got, reference).exact
        got[2, 3] += np.float32(0.01)
        assert compare_float(self.PROBLEM, got, reference).first == (2, 3)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_nan_and_infinity_never_pass(self, bad: float) -> None:
        for problem in (self.PROBLEM, fp8(4, 5, 64, "f32")):
            reference = referenced(problem)[1]
            got = reference.want.astype(np.float32)
            got[0, 0] = bad
            assert compare_float(problem, got, reference).wrong == 1

    def test_int4_weights_rounded_once_pass_and_one_wrong_group_scale_does_not(self) -> None:
        problem = Problem(64, 48, 256, "bf16", "s4", "bf16", b_group=32, b_scale="float")
        operands = operands_of(problem)
        typed, reference = referenced(problem)
        assert compare_with_oracle(problem, round_to("bf16", reference.want.astype(np.float32)), operands).exact
        assert typed.group_scale is not None
        scale = as_float32("bf16", typed.group_scale)
        scale[7, 3] *= 2
        other = float_reference(problem, replace(typed, group_scale=round_to("bf16", scale)))
        wrong = compare_float(problem, round_to("bf16", other.want.astype(np.float32)), reference)
        assert wrong.first is not None
        assert wrong.first[1] == 7
        assert wrong.wrong <= 64


DEPTHS = (64, 1000, 4096, 16384)


def truncating_product(a: Array, b: Array, bits: int = 14) -> Array:
    """A @ B^T as Hopper's FP8 tensor cores were seen to sum it: 32 products and the running sum are aligned to the
    largest of them, cut to `bits` bits, and added."""
    total = np.zeros((a.shape[0], b.shape[0]))
    for k in range(0, a.shape[1], 32):
        products = a[:, None, k : k + 32].astype(np.float64) * b[None, :, k : k + 32]
        terms = np.concatenate([products, total[:, :, None]], axis=2)
        unit = np.ldexp(1.0, np.frexp(np.abs(terms).max(axis=2))[1] - bits)[:, :, None]
        total = (np.trunc(terms / unit) * unit).sum(axis=2)
    return total


@pytest.mark.parametrize("k", DEPTHS)
class TestFp8Bound:
    def computed(self, problem: Problem) -> tuple[Operands, FloatReference, Array]:
        """Operands, the reference, and a right result as an FP8 GEMM with exact sums would give it."""
        typed, reference = referenced(problem)
        return typed, reference, round_to(problem.output_type, reference.want.astype(np.float32))

    @pytest.mark.parametrize("output_type", ["f32", "f16", "bf16"])
    def test_sums_of_fourteen_bits_pass(self, k: int, output_type: str) -> None:
        problem = fp8(24, 16, k, output_type, **SCALED)
        typed, reference = referenced(problem)
        assert typed.row_scale is not None
        assert typed.col_scale is not None
        total = truncating_product(decoded_a(problem, typed), decoded_b(problem, typed)).astype(np.float32)
        value = total * typed.row_scale[:, None] * typed.col_scale + as_float32(problem.bias_type, typed.bias)
        assert compare_float(problem, round_to(output_type, value), reference).exact

    def test_sums_of_five_bits_do_not(self, k: int) -> None:
        problem = fp8(24, 16, k, "f32")
        typed, reference = referenced(problem)
        total = truncating_product(decoded_a(problem, typed), decoded_b(problem, typed), bits=5)
        assert not compare_float(problem, total.astype(np.float32), reference).exact

    @pytest.mark.parametrize("output_type", ["f32", "f16", "bf16"])
    def test_a_zeroed_block_is_found(self, k: int, output_type: str) -> None:
        problem = fp8(48, 40, k, output_type, **SCALED)
        _, reference, got = self.computed(problem)
        assert compare_float(problem, got, reference).exact
        got[16:32, 8:16] = 0
        wrong = compare_float(problem, got, reference)
        assert wrong.wrong > 32
        assert wrong.first is not None
        assert wrong.first[0] >= 16

    def test_swapped_tiles_are_found(self, k: int) -> None:
        problem = fp8(48, 40, k, "f16", **SCALED)
        _, reference, got = self.computed(problem)
        got[:16, :8], got[16:32, :8] = got[16:32, :8].copy(), got[:16, :8].copy()
        assert compare_float(problem, got, reference).wrong > 64

    @pytest.mark.parametrize("output_type", ["f32", "f16", "bf16"])
    def test_a_missed_step_of_k_is_found(self, k: int, output_type: str) -> None:
        problem = fp8(384, 384, k, output_type)
        typed, reference, _ = self.computed(problem)
        step = min(128, k // 2)
        left_out = replace(typed, a=typed.a[:, -step:].copy(), b=typed.b[:, -step:].copy())
        missing = float_reference(replace(problem, k=step), left_out).want
        got = round_to(output_type, (reference.want - missing).astype(np.float32))
        assert not compare_float(problem, got, reference).exact

    def test_the_bound_is_the_stated_one(self, k: int) -> None:
        problem = fp8(3, 2, k, "f32")
        reference = referenced(problem)[1]
        assert reference.rss is not None
        least = (ceil(k / 32) + 1) * 2.0**-13 * 6 * reference.rss
        assert (error_bound(problem, reference) >= least).all()
        assert (error_bound(problem, reference) <= 1.01 * least + 1e-6 * np.abs(reference.want) + 2.0**-23).all()


def test_fp8_is_not_held_to_fp32_sums() -> None:
    problem = fp8(64, 64, 64, "f32")
    typed, reference = referenced(problem)
    total = truncating_product(decoded_a(problem, typed), decoded_b(problem, typed))
    assert (np.abs(total - reference.want) > float_bound(problem, reference)).any()


@pytest.mark.parametrize(
    "problem", [fp8(5, 6, 64), Problem(5, 6, 64, "bf16", "s4", "bf16", b_group=64, b_scale="float")]
)
def test_poison_never_passes(problem: Problem) -> None:
    from immabench.operands import poisoned_output

    assert compare_with_oracle(problem, poisoned_output(problem), operands_of(problem)).wrong == 30
