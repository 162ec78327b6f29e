"""Operands that do not fit their problem: which one it is, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from immabench.errors import ImmabenchError, OperandError, UsageError
from immabench.operand_checks import check_operands
from immabench.operands import Operands, make_operands
from immabench.problems import Problem

FULL = Problem(33, 17, 65, output_type="f16", row_scale="vector", col_scale="vector", bias=True)


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


def test_a_batch_is_expected_of_every_operand() -> None:
    problem = Problem(3, 4, 5, output_type="f32", bias=True, batch=2)
    operands = make_operands(problem)
    for name, change in (("a", operands.a[0]), ("b", operands.b[:1])):
        with pytest.raises(OperandError, match=rf"^{name} has shape .*, expected \[2, \d, 5\]; .*of a batch"):
            check_operands(problem, replace(operands, **{name: np.ascontiguousarray(change)}))
    with pytest.raises(OperandError, match=r"^bias is missing; give float32\[2, 4\]"):
        check_operands(problem, replace(operands, bias=None))


@pytest.mark.parametrize(("name", "described"), [("residual_scale", "float32"), ("residual_zero", "int32")])
def test_an_int8_residual_has_a_scale_and_a_zero_point(name: str, described: str) -> None:
    problem = Problem(3, 4, 5, output_type="f32", residual="s8")
    with pytest.raises(OperandError, match=rf"^{name} is missing; give {described}\[1\]"):
        check_operands(problem, replace(make_operands(problem), **{name: None}))
