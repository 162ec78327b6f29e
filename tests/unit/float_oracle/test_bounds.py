"""Bounds of float outputs: they let rounding through, as hardware was seen to round, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, erf

import numpy as np
import pytest
from float_problems import SCALED, fp8, general, grouped, operands_of, referenced

from immabench.data_types import Array, as_float32, round_to
from immabench.float_oracle import (
    FloatReference,
    compare_float,
    compare_with_oracle,
    decoded_a,
    decoded_b,
    determined_reference,
    error_bound,
    float_bound,
    float_reference,
)
from immabench.operands import Operands, make_operands, typed_operands
from immabench.problems import Problem


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


def cut_product(a: Array, b: Array, bits: int) -> Array:
    """A @ B^T as tensor cores were seen to sum it (docs/numerics.md [13]): 16 products and the running sum are aligned
    to the largest of them, cut to `bits` bits towards zero, and added."""
    total = np.zeros((a.shape[0], b.shape[0]))
    for k in range(0, a.shape[1], 16):
        products = a[:, None, k : k + 16].astype(np.float64) * b[None, :, k : k + 16]
        terms = np.concatenate([products, total[:, :, None]], axis=2)
        unit = np.ldexp(1.0, np.frexp(np.abs(terms).max(axis=2))[1] - bits)[:, :, None]
        total = (np.trunc(terms / unit) * unit).sum(axis=2)
        total = np.trunc(total / unit[:, :, 0]) * unit[:, :, 0]
    return total


@pytest.mark.parametrize("a_type", ["f16", "bf16"])
@pytest.mark.parametrize("k", [32, 256, 1024])
class TestIntegerWeights:
    """Integer weights beside 16-bit floats, which tensor cores multiply."""

    def test_sums_cut_to_24_bits_pass(self, k: int, a_type: str) -> None:
        problem = grouped(16, 24, k, a_type=a_type, output_type="f32")
        operands = general(problem)
        reference = float_reference(problem, operands)
        total = cut_product(decoded_a(problem, operands), decoded_b(problem, operands), bits=24)
        assert (total != reference.want).any()
        assert compare_float(problem, total.astype(np.float32), reference).exact

    def test_sums_cut_to_12_bits_do_not(self, k: int, a_type: str) -> None:
        problem = grouped(16, 24, k, a_type=a_type, output_type="f32")
        operands = general(problem)
        total = cut_product(decoded_a(problem, operands), decoded_b(problem, operands), bits=12)
        assert not compare_float(problem, total.astype(np.float32), float_reference(problem, operands)).exact

    def test_the_bound_is_the_stated_one(self, k: int, a_type: str) -> None:
        problem = grouped(3, 2, k, a_type=a_type, output_type="f32")
        reference = referenced(problem)[1]
        roundings = 18 * ceil(k / 16) * 2.0**-23
        least = roundings / (1 - roundings) * reference.magnitude
        bound = float_bound(problem, reference)
        assert (bound >= least).all()
        assert (bound <= least + 6 * 2.0**-23 * reference.magnitude + 2.0**-24).all()

    @pytest.mark.parametrize("output_type", ["f32", "f16"])
    @pytest.mark.parametrize("mistake", ["zero point", "scale of another group", "swapped nibbles", "missed step"])
    def test_a_planted_mistake_is_found(self, k: int, a_type: str, output_type: str, mistake: str) -> None:
        problem = grouped(64, 48, k, a_type=a_type, output_type=output_type)
        typed, reference = referenced(problem)
        right = round_to(output_type, reference.want.astype(np.float32))
        assert compare_float(problem, right, reference).exact
        wrong = float_reference(problem, planted(typed, mistake))
        got = round_to(output_type, wrong.want.astype(np.float32))
        found = compare_float(problem, got, reference)
        assert not found.exact
        if mistake != "missed step":
            differs = np.argwhere(got != right)
            assert set(differs[:, 1]) == {7}


def planted(typed: Operands, mistake: str) -> Operands:
    """`typed` with one mistake in row 7 of the weights, or one step of 16 along K left out."""
    assert typed.group_zero is not None
    assert typed.group_scale is not None
    b, zero, scale = typed.b.copy(), typed.group_zero.copy(), typed.group_scale.copy()
    if mistake == "zero point":
        zero[7, -1] ^= 1
    if mistake == "scale of another group":
        others = scale[scale != scale[7, -1]]
        scale[7, -1] = others[0]
    if mistake == "swapped nibbles":
        pair = int(np.argmax(np.abs((b[7] >> 4).astype(int) - (b[7] & 15))))
        b[7, pair] = b[7, pair] >> 4 | b[7, pair] << 4
    a = typed.a.copy()
    if mistake == "missed step":
        a[:, 16:32] = 0
    return replace(typed, a=a, b=b, group_zero=zero, group_scale=scale)


class TestFurtherSteps:
    """Residual, activation and int8 outputs, computed in fp32, against the reference in float64."""

    @pytest.mark.parametrize("residual", ["none", "s8", "f32", "bf16"])
    @pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
    @pytest.mark.parametrize("output_type", ["f32", "f16", "s8"])
    def test_fp32_steps_pass(self, residual: str, activation: str, output_type: str) -> None:
        problem = self.problem(output_type, residual=residual, activation=activation)
        typed, reference = referenced(problem)
        got = determined_reference(problem, typed)
        assert compare_float(problem, got, reference).exact
        wrong = got.copy()
        wrong[2, 3] += np.array(5).astype(wrong.dtype) if output_type == "s8" else np.array(0.1).astype(wrong.dtype)
        assert compare_float(problem, wrong, reference).first == (2, 3)

    def problem(self, output_type: str, **fields: object) -> Problem:
        quantized = {"out_scale": "vector", "out_zero": True} if output_type == "s8" else {}
        return grouped(16, 24, 64, output_type=output_type, **{**SCALED, **quantized, **fields})

    def test_an_int8_is_right_where_something_within_the_bound_becomes_it(self) -> None:
        problem = self.problem("s8")
        reference = replace(referenced(problem)[1], want=np.full((16, 24), 2.5), out_zero=None)
        reference = replace(reference, magnitude=np.full((16, 24), 2.5), out_scale=np.ones(24, np.float32))
        for code, right in ((1, False), (2, True), (3, True), (4, False)):
            assert compare_float(problem, np.full((16, 24), code, np.int8), reference).exact == right

    def test_gelu_is_that_of_the_error_function(self) -> None:
        problem = self.problem("f32", activation="gelu")
        typed = typed_operands(problem, make_operands(problem))
        linear = float_reference(replace(problem, activation="none"), typed).want
        want = [[x / 2 * (1 + erf(x / 2**0.5)) for x in row] for row in linear.tolist()]
        assert np.allclose(float_reference(problem, typed).want, want, rtol=1e-13, atol=0)


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
