"""Operands are full-range, the same everywhere, and checked."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from immabench.errors import ImmabenchError, OperandError, UsageError
from immabench.numerics import as_float32
from immabench.operands import (
    ALIGNMENT,
    POISON_BITS,
    Operands,
    check_operands,
    is_full_range,
    make_operands,
    poisoned_output,
    typed_operands,
)
from immabench.problems import Problem

FULL = Problem(33, 17, 65, output_type="f16", row_scale="vector", col_scale="vector", bias=True)


@pytest.mark.parametrize("shape", [(1, 2, 1), (2, 2, 1), (33, 17, 65), (300, 5, 40)])
def test_both_ends_of_int8_are_present(shape: tuple[int, int, int]) -> None:
    operands = make_operands(Problem(*shape))
    for matrix in (operands.a, operands.b):
        assert matrix.dtype == np.int8
        assert matrix.flags.c_contiguous
        assert -128 in matrix
        assert matrix.size == 1 or 127 in matrix


def test_scales_are_positive_and_spread() -> None:
    operands = make_operands(replace(FULL, m=500, n=500))
    for scale in (operands.row_scale, operands.col_scale):
        assert scale is not None
        assert (scale > 0).all()
        assert scale.max() / scale.min() > 50
    check_operands(replace(FULL, m=500, n=500), operands)


@pytest.mark.parametrize(("name", "described"), [("residual_scale", "float32"), ("residual_zero", "int32")])
def test_an_int8_residual_has_a_scale_and_a_zero_point(name: str, described: str) -> None:
    problem = Problem(3, 4, 5, output_type="f32", residual="s8")
    with pytest.raises(OperandError, match=rf"^{name} is missing; give {described}\[1\]"):
        check_operands(problem, replace(make_operands(problem), **{name: None}))


def test_tensor_scales_have_one_element_and_absent_ones_none() -> None:
    operands = make_operands(Problem(3, 4, 5, output_type="f32", row_scale="tensor"))
    assert operands.row_scale is not None
    assert operands.row_scale.shape == (1,)
    assert operands.col_scale is None
    assert operands.bias is None


def test_seed_and_problem_both_matter() -> None:
    first, again = make_operands(FULL, 1), make_operands(FULL, 1)
    assert (first.a == again.a).all()
    assert not (first.a == make_operands(FULL, 2).a).all()
    other = make_operands(replace(FULL, output_type="f32"), 1)
    assert not (first.a == other.a).all()


def test_another_process_makes_the_same() -> None:
    code = (
        "from immabench.operands import make_operands; from immabench.problems import Problem;"
        "print(make_operands(Problem(33, 17, 65), 7).a.astype(int).sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == make_operands(Problem(33, 17, 65), 7).a.astype(int).sum()


def test_everything_starts_where_a_gpu_would_put_it() -> None:
    for operands in (make_operands(FULL), typed_operands(FULL, make_operands(FULL))):
        arrays = [operands.a, operands.b, operands.row_scale, operands.col_scale, operands.bias, poisoned_output(FULL)]
        assert all(array is not None and array.ctypes.data % ALIGNMENT == 0 for array in arrays)


def test_typed_operands_share_no_memory() -> None:
    operands = make_operands(FULL)
    typed = typed_operands(FULL, operands)
    assert (typed.a == operands.a).all()
    assert not np.shares_memory(typed.a, operands.a)
    bare = Problem(2, 2, 2)
    assert typed_operands(bare, make_operands(bare)).bias is None


@pytest.mark.parametrize(("data_type", "bits"), [("f32", np.float32), ("f16", np.float16), ("bf16", np.uint16)])
def test_float_operands_hold_the_codes_exactly(data_type: str, bits: type) -> None:
    operands = make_operands(FULL)
    typed = typed_operands(Problem(33, 17, 65, data_type, data_type, data_type, bias=True), operands)
    assert typed.a.dtype == bits
    assert (as_float32(data_type, typed.a) * 128 == operands.a).all()
    assert (typed.row_scale, typed.col_scale) == (None, None)
    assert typed.bias is not None


def test_e4m3_operands_are_the_codes_rounded_and_keep_the_scales() -> None:
    operands = make_operands(FULL)
    typed = typed_operands(replace(FULL, a_type="e4m3", b_type="e4m3"), operands)
    assert typed.a.dtype == np.uint8
    assert np.abs(as_float32("e4m3", typed.a) * 128 - operands.a).max() == 4  # 3 bits of mantissa up to 128
    assert typed.row_scale is not None
    assert (typed.row_scale == operands.row_scale).all()
    assert typed.bias is not None
    assert typed.bias.dtype == np.float16  # beside f16 outputs


def test_s4_weights_are_the_high_nibbles_with_scales_from_the_low_ones() -> None:
    problem = Problem(4, 300, 256, "bf16", "s4", "bf16", b_group=64, b_scale="float")
    operands = make_operands(Problem(4, 300, 256))
    typed = typed_operands(problem, operands)
    assert typed.b.shape == (300, 128)
    assert (as_float32("s4", typed.b) == operands.b // 16).all()
    assert typed.group_scale is not None
    scale = as_float32("bf16", typed.group_scale)
    assert scale.shape == (300, 4)
    assert set(np.log2(scale).ravel()) == {-7, -6, -5, -4}
    shares = np.bincount(np.log2(scale).ravel().astype(int) + 7) / scale.size
    assert (np.abs(shares - 0.25) < 6 * np.sqrt(0.25 * 0.75 / scale.size)).all()


def test_activations_are_renewed_and_weights_stay() -> None:
    old, new = make_operands(FULL, 0), make_operands(FULL, 1)
    mixed = new.with_weights_of(old)
    assert (mixed.a is new.a, mixed.row_scale is new.row_scale) == (True, True)
    assert (mixed.b is old.b, mixed.col_scale is old.col_scale, mixed.bias is old.bias) == (True, True, True)


def test_what_is_not_data_is_told_from_data() -> None:
    assert is_full_range(make_operands(FULL).a)
    for size in range(1, 6):
        assert is_full_range(make_operands(Problem(1, 1, size)).a)
    small = np.random.default_rng(0).integers(-3, 4, (64, 64)).astype(np.int8)
    mostly_zero = np.where(np.arange(4096).reshape(64, 64) % 3, 0, make_operands(Problem(64, 64, 64)).a).astype(np.int8)
    for codes in (np.zeros((4, 4), np.int8), small, mostly_zero):
        assert not is_full_range(codes)


@pytest.mark.parametrize("output_type", list(POISON_BITS))
def test_poison_fills_every_bit(output_type: str) -> None:
    out_scale = "tensor" if output_type == "s8" else "none"
    output = poisoned_output(Problem(3, 5, 1, output_type=output_type, out_scale=out_scale))
    assert output.shape == (3, 5)
    assert output.flags.c_contiguous
    bits = output.view({4: np.uint32, 2: np.uint16, 1: np.uint8}[output.itemsize])
    assert (bits == POISON_BITS[output_type]).all()
    if output_type in ("f32", "f16"):
        assert np.isnan(output).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": np.zeros((33, 65), np.uint8)}, "a is uint8, expected int8"),
        ({"b": np.zeros((65, 17), np.int8)}, r"b has shape \[65, 17\], expected \[17, 65\]"),
        ({"a": np.zeros((65, 33), np.int8).T}, "a is not C-contiguous"),
        ({"a": [[1]]}, "a is a list, not a numpy array on the CPU"),
        ({"a": np.zeros((0, 65), np.int8)}, r"a has shape \[0, 65\]"),
        ({"row_scale": np.ones(33, np.float64)}, "row_scale is float64, expected float32"),
        ({"row_scale": np.ones(1, np.float32)}, r"row_scale has shape \[1\], expected \[33\]"),
        ({"col_scale": None}, "col_scale is missing"),
        ({"bias": np.full(17, np.nan, np.float32)}, "bias is not finite"),
    ],
)
def test_bad_operands_name_the_operand_and_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OperandError, match=message) as caught:
        check_operands(FULL, replace(make_operands(FULL), **changes))
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0])
def test_bad_scales_name_the_element(bad: float) -> None:
    operands = make_operands(FULL)
    assert operands.col_scale is not None
    operands.col_scale[3] = bad
    with pytest.raises(UsageError, match=r"col_scale\[3\] is .*positive and finite"):
        check_operands(FULL, operands)


def test_a_scale_the_problem_lacks() -> None:
    operands = make_operands(FULL)
    bare = Operands(operands.a, operands.b, row_scale=operands.row_scale)
    with pytest.raises(ImmabenchError, match="row_scale is given but the problem has none"):
        check_operands(Problem(33, 17, 65), bare)


def test_a_problem_too_large_for_this_machine_is_refused_before_it_is_made() -> None:
    with pytest.raises(UsageError, match=r"1000000x1000000x64 takes 18627 GiB .* this machine has \d+ GiB; choose"):
        make_operands(Problem(1_000_000, 1_000_000, 64))


def test_every_product_of_a_batch_has_operands_of_its_own() -> None:
    epilogue = {"output_type": "s8", "residual": "f16", "a_zero": "vector", "out_scale": "vector", "out_zero": True}
    problem = replace(FULL, batch=3, **epilogue)
    operands = make_operands(problem)
    check_operands(problem, operands)
    typed = typed_operands(problem, operands)
    assert typed.b_sum is not None
    assert (typed.b_sum == operands.b.sum(axis=2)).all()
    shapes = {"a": (33, 65), "b": (17, 65), "residual": (33, 17), "row_scale": (33,), "a_zero": (33,)}
    shapes |= dict.fromkeys(("col_scale", "bias", "b_sum", "out_scale", "out_zero"), (17,))
    for name, shape in shapes.items():
        values = getattr(typed, name)
        assert values.shape == (3, *shape), name
        assert not (values[0] == values[1]).all(), name
    assert poisoned_output(problem).shape == (3, 33, 17)


def test_values_that_are_one_for_all_are_one_for_a_batch() -> None:
    epilogue = {"output_type": "s8", "row_scale": "tensor", "col_scale": "tensor", "out_scale": "tensor"}
    problem = Problem(3, 4, 5, batch=2, a_zero="tensor", out_zero=True, residual="s8", **epilogue)  # type: ignore[arg-type]
    operands = make_operands(problem)
    for name in ("row_scale", "col_scale", "a_zero", "out_scale", "out_zero", "residual_scale", "residual_zero"):
        assert getattr(operands, name).shape == (1,), name


def test_a_batch_is_expected_of_every_operand() -> None:
    problem = Problem(3, 4, 5, output_type="f32", bias=True, batch=2)
    operands = make_operands(problem)
    for name, change in (("a", operands.a[0]), ("b", operands.b[:1])):
        with pytest.raises(OperandError, match=rf"^{name} has shape .*, expected \[2, \d, 5\]; .*of a batch"):
            check_operands(problem, replace(operands, **{name: np.ascontiguousarray(change)}))
    with pytest.raises(OperandError, match=r"^bias is missing; give float32\[2, 4\]"):
        check_operands(problem, replace(operands, bias=None))
