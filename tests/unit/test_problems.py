"""Problems validate themselves and count their work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import UsageError
from immabench.problems import MAX_K_S8, OPERAND_TYPES, OUTPUT_TYPES, SCALE_KINDS, Problem

SIZES = st.integers(1, 100_000)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    a_type = draw(st.sampled_from(OPERAND_TYPES))
    output_type = draw(st.sampled_from([kind for kind in OUTPUT_TYPES if a_type == "s8" or kind != "s32"]))
    shape = (draw(SIZES), draw(SIZES), draw(SIZES))
    if output_type == "s32":
        return Problem(*shape)
    scales = draw(st.sampled_from(SCALE_KINDS)), draw(st.sampled_from(SCALE_KINDS))
    return Problem(*shape, a_type, a_type, output_type, *scales, draw(st.booleans()))


@given(problems())
def test_dict_round_trip(problem: Problem) -> None:
    assert Problem.from_dict(problem.as_dict()) == problem
    assert Problem.from_dict({**problem.as_dict(), "row_id": "x"}) == problem


@given(problems(), problems())
def test_keys_are_file_names_and_differ_where_problems_do(one: Problem, other: Problem) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", one.key)
    assert (one.key == other.key) == (one == other)


def test_key_of_a_full_epilogue() -> None:
    problem = Problem(128, 256, 64, output_type="f16", row_scale="vector", col_scale="tensor", bias=True)
    assert problem.key == "gemm_s8_m128_n256_k64_f16_rv_ct_b"


def test_work_of_a_small_problem() -> None:
    problem = Problem(2, 3, 5, output_type="f16", row_scale="vector", col_scale="tensor", bias=True)
    assert problem.macs == 30
    assert problem.operations == 60
    assert problem.bytes_moved == 10 + 15 + 12 + 4 * (2 + 1 + 3)
    assert problem.operations_per_byte == pytest.approx(60 / 61)


def test_largest_k_fits_int32_and_the_next_does_not() -> None:
    assert Problem(1, 1, MAX_K_S8).k * 128 * 128 <= 2**31 - 1
    with pytest.raises(UsageError, match="131071"):
        Problem(1, 1, MAX_K_S8 + 1)
    assert Problem(1, 1, MAX_K_S8 + 1, "f32", "f32", "f32").k == MAX_K_S8 + 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"m": 0}, "M=0 is not a size"),
        ({"n": 2**31}, "N=2147483648 is too large"),
        ({"n": -1}, "N=-1"),
        ({"k": 1.5}, "K=1.5"),
        ({"k": True}, "K=True"),
        ({"a_type": "u8"}, "unknown a_type 'u8'"),
        ({"b_type": "f16"}, "differ"),
        ({"output_type": "s8"}, "unknown output_type"),
        ({"row_scale": "block"}, "unknown row_scale"),
        ({"bias": True}, "bare accumulator"),
        ({"col_scale": "tensor"}, "bare accumulator"),
        ({"a_type": "f16", "b_type": "f16"}, "no s32 output"),
    ],
)
def test_bad_problems_are_usage_errors_with_a_remedy(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Problem(**{"m": 1, "n": 1, "k": 1, **values})
    assert caught.value.remedy
