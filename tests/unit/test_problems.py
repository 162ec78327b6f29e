"""Problems validate themselves and count their work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import UsageError
from immabench.problems import MAX_K_S8, MIXED_TYPES, OPERAND_TYPES, OUTPUT_TYPES, SCALE_KINDS, Problem

SIZES = st.integers(1, 100_000)
W4A16 = {"a_type": "bf16", "b_type": "s4", "output_type": "bf16"}


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    a_type = draw(st.sampled_from(OPERAND_TYPES))
    output_type = draw(st.sampled_from([kind for kind in OUTPUT_TYPES if a_type == "s8" or kind != "s32"]))
    shape = (draw(SIZES), draw(SIZES), draw(SIZES))
    if output_type == "s32":
        return Problem(*shape)
    scales = draw(st.sampled_from(SCALE_KINDS)), draw(st.sampled_from(SCALE_KINDS))
    if draw(st.booleans()):
        a_type, b_type = draw(st.sampled_from(MIXED_TYPES))
        group = draw(st.sampled_from((0, 32, 128)))
        depth = shape[2] * (group or 2)
        return Problem(*shape[:2], depth, a_type, b_type, output_type, *scales, draw(st.booleans()), group)
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


def test_keys_of_mixed_types_and_group_scales() -> None:
    assert Problem(16, 64, 128, "e4m3", "e4m3", "bf16").key == "gemm_e4m3_m16_n64_k128_bf16"
    problem = Problem(16, 64, 128, "bf16", "s4", "bf16", b_group=32)
    assert (problem.family, problem.key) == ("gemm_bf16_s4", "gemm_bf16_s4_m16_n64_k128_bf16_g32")


def test_bytes_of_mixed_types_are_those_of_each_operand() -> None:
    problem = Problem(3, 5, 64, "bf16", "s4", "bf16", b_group=32)
    assert problem.weight_bytes == 5 * 32 + 5 * 2 * 2
    assert problem.bytes_moved == 3 * 64 * 2 + problem.weight_bytes + 3 * 5 * 2
    assert Problem(3, 5, 64, "e4m3", "e4m3", "f16").bytes_moved == 8 * 64 + 30


def test_a_row_of_an_older_run_has_no_group() -> None:
    values = Problem(1, 2, 3).as_dict()
    del values["b_group"]
    assert Problem.from_dict(values) == Problem(1, 2, 3)


@pytest.mark.parametrize(
    ("types", "bias_type"),
    [
        (("s8", "f16"), "f32"),
        (("e4m3", "f16"), "f16"),
        (("e4m3", "f32"), "bf16"),
        (("e4m3", "bf16"), "bf16"),
        (("f16", "f16"), "f16"),
    ],
)
def test_the_type_of_a_bias(types: tuple[str, str], bias_type: str) -> None:
    assert Problem(1, 1, 1, types[0], types[0], types[1]).bias_type == bias_type


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
        ({"b_type": "u8"}, "unknown b_type 'u8'"),
        ({"b_type": "s4"}, "a_type=s8 and b_type=s4 differ; give both one type, or one of: bf16 with s4"),
        ({"a_type": "s4", "b_type": "s4"}, "unknown a_type 's4'"),
        ({"b_group": 32}, "s8 weights have no group scales"),
        (W4A16 | {"k": 7}, "s4 is stored two a byte along K; choose an even K"),
        (W4A16 | {"k": 48, "b_group": 32}, "groups of 32 do not divide K"),
        (W4A16 | {"k": 48, "b_group": -1}, "b_group=-1 is not a group size"),
        (W4A16 | {"k": 48, "b_group": True}, "b_group=True is not a group size"),
        ({"a_type": "e4m3", "b_type": "e4m3"}, "e4m3 operands have no s32 output"),
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
