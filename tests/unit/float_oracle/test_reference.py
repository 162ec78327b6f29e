"""The oracle of float problems: exact where it says so, and one result alone where no order of summation rounds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from float_problems import SCALED, fp8, general, grouped, operands_of, referenced

from immabench.data_types import as_float32, e4m3_to_f32
from immabench.float_oracle import Oracle, decoded_a, decoded_b, float_reference, is_determined
from immabench.numerics import epilogue_reference
from immabench.operands import Operands, make_operands, typed_operands
from immabench.problems import Problem


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


class TestDetermined:
    """Where no order of summation rounds, one result alone is right."""

    def test_random_operands_of_short_sums_are(self) -> None:
        for problem in (grouped(5, 6, 1024, output_type="f32"), Problem(5, 6, 1024, "bf16", "s8", "f32")):
            assert Oracle(problem, make_operands(problem)).determined

    def test_full_mantissas_and_fp8_are_not(self) -> None:
        problem = grouped(5, 6, 64, output_type="f32")
        assert not is_determined(problem, general(problem))
        problem = fp8(5, 6, 64)
        assert not is_determined(problem, typed_operands(problem, operands_of(problem)))

    def test_the_sum_of_magnitudes_decides(self) -> None:
        """Products of 2^11 and one of 1: 8191 of them stay below 2^24, one more does not."""
        problem = Problem(1, 1, 8200, "f16", "f16", "f32")
        for count, determined in ((8191, True), (8192, False)):
            a = np.zeros((1, 8200), np.float16)
            a[0, :count], a[0, -1] = 2048, 1
            assert is_determined(problem, Operands(a, np.ones((1, 8200), np.float16))) == determined

    def test_subnormal_weights_are_not(self) -> None:
        problem = Problem(1, 1, 2, "f16", "f16", "f32")
        a = np.ones((1, 2), np.float16)
        assert is_determined(problem, Operands(a, np.array([[2.0**-14, 0]], np.float16)))
        assert not is_determined(problem, Operands(a, np.array([[2.0**-15, 0]], np.float16)))

    def test_its_result_is_the_exact_sum_with_the_epilogue_of_integers(self) -> None:
        problem = grouped(5, 6, 64, output_type="bf16", row_scale="vector", bias=True, residual="f16")
        operands = make_operands(problem)
        typed = typed_operands(problem, operands)
        total = float_reference(replace(problem, row_scale="none", bias=False, residual="none"), bare(typed)).want
        want = epilogue_reference(problem, total.astype(np.float32), typed)
        oracle = Oracle(problem, operands)
        assert oracle.compare_determined(want).exact
        want[1, 2] ^= np.uint16(1)
        assert oracle.compare_determined(want).first == (1, 2)
        assert oracle.compare(want).exact  # within the bound all the same


def bare(typed: Operands) -> Operands:
    return replace(typed, row_scale=None, bias=None, residual=None)
