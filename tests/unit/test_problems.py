"""Problems validate themselves and count their work."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import UsageError
from immabench.problems import (
    ACTIVATIONS,
    GROUP_SCALES,
    INTEGER_TYPES,
    MAX_K_S8,
    MIXED_TYPES,
    OPERAND_TYPES,
    OUTPUT_TYPES,
    RESIDUAL_TYPES,
    SCALE_KINDS,
    Problem,
)

SIZES = st.integers(1, 500)
W4A16 = {"a_type": "bf16", "b_type": "s4", "output_type": "bf16"}
KINDS = st.sampled_from(SCALE_KINDS)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Any problem: types, groups of weights, epilogue."""
    pairs = [*((name, name) for name in OPERAND_TYPES), *MIXED_TYPES]
    a_type, b_type = draw(st.sampled_from(pairs))
    mixed = (a_type, b_type) in MIXED_TYPES and b_type != "s8"
    groups = {"b_group": draw(st.sampled_from((32, 128))), "b_scale": "float"}
    if mixed and a_type == "s8":
        groups["b_scale"] = draw(st.sampled_from(GROUP_SCALES if b_type == "u4" else ("float", "step")))
    if not mixed or (b_type == "s4" and draw(st.booleans())):
        groups = {}
    shape = (draw(SIZES), draw(SIZES), draw(SIZES) * groups.get("b_group", 8))
    options = {"a_type": a_type, "b_type": b_type, **groups}
    if a_type == b_type:
        options["batch"] = draw(st.sampled_from((1, 2, 12)))
    if a_type in INTEGER_TYPES:
        options["a_zero"] = draw(KINDS)
    if a_type in INTEGER_TYPES and groups.get("b_scale") != "float" and draw(st.booleans()):
        return Problem(*shape, **options)
    options |= {"row_scale": draw(KINDS), "col_scale": draw(KINDS), "bias": draw(st.booleans())}
    options |= {"residual": draw(st.sampled_from(RESIDUAL_TYPES)), "activation": draw(st.sampled_from(ACTIVATIONS))}
    options["output_type"] = draw(st.sampled_from(OUTPUT_TYPES[1:]))
    if options["output_type"] == "s8":
        options |= {"out_scale": draw(st.sampled_from(SCALE_KINDS[1:])), "out_zero": draw(st.booleans())}
    return Problem(*shape, **options)


@given(problems())
def test_dict_round_trip(problem: Problem) -> None:
    assert Problem.from_dict(problem.as_dict()) == problem
    assert Problem.from_dict({**problem.as_dict(), "row_id": "x"}) == problem
    other = Problem(1, 2, 3)
    assert replace(other, **other.differing(problem)) == problem
    assert problem.differing(problem) == {}


@given(problems(), problems())
def test_keys_are_file_names_and_differ_where_problems_do(one: Problem, other: Problem) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", one.key)
    assert (one.key == other.key) == (one == other)


def test_key_of_a_full_epilogue() -> None:
    problem = Problem(128, 256, 64, output_type="f16", row_scale="vector", col_scale="tensor", bias=True)
    assert problem.key == "gemm_s8_m128_n256_k64_f16_rv_ct_b"
    full = replace(
        problem,
        output_type="s8",
        a_zero="tensor",
        residual="f16",
        activation="gelu",
        out_scale="vector",
        out_zero=True,
    )
    assert full.key == "gemm_s8_m128_n256_k64_s8_rv_ct_b_zt_resf16_gelu_ovz"


@pytest.mark.parametrize(
    ("types", "family"),
    [
        (("s8", "s8"), "gemm_s8"),
        (("s8", "u4"), "gemm_w4a8"),
        (("s4", "s4"), "gemm_w4a4"),
        (("f16", "s4"), "gemm_w4a16"),
        (("bf16", "s8"), "gemm_w8a16"),
        (("b1", "b1"), "gemm_b1"),
        (("e4m3", "e4m3"), "gemm_e4m3"),
    ],
)
def test_families_are_named_as_the_operators(types: tuple[str, str], family: str) -> None:
    group = 64 if types[1] == "u4" else 0
    assert Problem(1, 1, 64, *types, output_type="f32", b_group=group).family == family


def test_keys_of_mixed_types_and_group_scales() -> None:
    assert Problem(16, 64, 128, "e4m3", "e4m3", "bf16").key == "gemm_e4m3_m16_n64_k128_bf16"
    problem = Problem(16, 64, 128, "bf16", "s4", "bf16", b_group=32, b_scale="float")
    assert (problem.family, problem.key) == ("gemm_w4a16", "gemm_bf16_s4_m16_n64_k128_bf16_g32")


def test_bytes_of_mixed_types_are_those_of_each_operand() -> None:
    problem = Problem(3, 5, 64, "bf16", "s4", "bf16", b_group=32, b_scale="float")
    assert problem.weight_bytes == 5 * 32 + 5 * 2 * 2
    assert problem.bytes_moved == 3 * 64 * 2 + problem.weight_bytes + 3 * 5 * 2
    assert Problem(3, 5, 64, "e4m3", "e4m3", "f16").bytes_moved == 8 * 64 + 30


def test_a_row_of_an_older_run_has_neither_groups_nor_the_newer_epilogue() -> None:
    values = Problem(1, 2, 3).as_dict()
    for name in ("b_group", "b_scale", "a_zero", "residual", "activation", "out_scale", "out_zero", "batch"):
        del values[name]
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


def test_a_batch_multiplies_the_work_and_all_but_single_values() -> None:
    one = Problem(2, 3, 8, output_type="f16", row_scale="vector", col_scale="tensor", bias=True, residual="bf16")
    batch = replace(one, batch=5)
    assert (batch.macs, batch.operations, batch.weight_bytes) == (5 * 48, 5 * 96, 5 * 24)
    assert batch.bytes_moved == 5 * (16 + 24 + 12 + 12 + 4 * (2 + 3)) + 4
    assert (batch.shape, batch.key) == ("2x3x8", "gemm_s8_m2_n3_k8_batch5_f16_rv_ct_b_resbf16")
    assert batch.of_batch(2, 8) == (5, 2, 8)
    assert one.of_batch(2, 8) == (2, 8)


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
        ({"batch": 0}, "batch=0 is no number of products; give a whole number from 1 to 2147483647"),
        ({"batch": True}, "batch=True is no number"),
        ({"batch": 2**31}, "batch=2147483648 is no number"),
        (W4A16 | {"k": 64, "batch": 2}, "a batch of bf16_s4: weights of a type of their own are of one product"),
        ({"a_type": "u8"}, "unknown a_type 'u8'"),
        ({"b_type": "f16"}, "differ"),
        ({"b_type": "u8"}, "unknown b_type 'u8'"),
        (
            {"a_type": "e4m3", "b_type": "s4"},
            "e4m3 and b_type=s4 differ; give both one type, or one of: s8 with s4",
        ),
        ({"a_type": "u4", "b_type": "u4"}, "unknown a_type 'u4'"),
        ({"b_group": 32}, "s8 weights have no group scales"),
        (W4A16 | {"k": 7}, "s4 is stored two a byte along K; choose K in multiples of 2"),
        (W4A16 | {"k": 48, "b_group": 32, "b_scale": "float"}, "groups of 32 do not divide K"),
        (W4A16 | {"k": 48, "b_group": -1}, "b_group=-1 is not a group size"),
        (W4A16 | {"k": 48, "b_group": True}, "b_group=True is not a group size"),
        ({"a_type": "e4m3", "b_type": "e4m3"}, "e4m3 operands have no s32 output"),
        ({"a_type": "b1", "b_type": "b1", "k": 4}, "b1 is stored eight a byte along K; choose K in multiples of 8"),
        ({"b_type": "u4", "k": 64}, "u4 weights have a zero point a group; give b_group; 64 is one a channel here"),
        ({"b_type": "s4", "k": 64, "b_group": 32}, "groups of s4 weights need something of their own"),
        ({"b_type": "s4", "k": 64, "b_scale": "step"}, "b_scale=step without groups of weights"),
        (W4A16 | {"k": 64, "b_group": 32, "b_scale": "step"}, "integer steps keep sums of integers, not of bf16"),
        ({"b_type": "s4", "k": 64, "b_group": 32, "b_scale": "float"}, "s8 operands have no s32 output"),
        (W4A16 | {"k": 64, "a_zero": "tensor"}, "bf16 activations have no zero point"),
        (
            {"k": 66000, "a_zero": "tensor"},
            "can overflow the int32 accumulator of s8 with a zero point; keep K <= 65793",
        ),
        ({"output_type": "u8"}, "unknown output_type"),
        ({"output_type": "s8"}, "an s8 output has an out_scale"),
        ({"output_type": "f16", "out_scale": "tensor"}, "an s8 output has an out_scale"),
        ({"output_type": "f16", "out_zero": True}, "f16 outputs have no zero point"),
        ({"residual": "f16"}, "bare accumulator"),
        ({"activation": "relu"}, "bare accumulator"),
        ({"activation": "swish", "output_type": "f16"}, "unknown activation 'swish'"),
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
