"""Operands that were given, against the problem they are given for: which of them is wrong, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immabench.data_types import Array
from immabench.errors import OperandError
from immabench.numerics import check_scale
from immabench.problems import Problem

if TYPE_CHECKING:
    from immabench.operands import Operands


def check_operands(problem: Problem, operands: Operands) -> None:
    """Raise OperandError, naming the operand and the remedy, unless the s8 `operands` fit `problem`.

    A float problem may be given what it does not have: a baseline is stated with the operands of what was asked.
    """
    of_rows, of_columns = problem.of_batch(problem.m), problem.of_batch(problem.n)
    _check_array("a", operands.a, np.int8, problem.a_shape)
    _check_array("b", operands.b, np.int8, (*of_columns, problem.k))
    _check_absent(problem, operands)
    for name, vector in (("row_scale", of_rows), ("col_scale", of_columns), ("out_scale", of_columns)):
        _check_vector(name, getattr(operands, name), np.float32, vector_shape(getattr(problem, name), vector))
        if getattr(operands, name) is not None:
            check_scale(name, getattr(operands, name))
    _check_vector("a_zero", operands.a_zero, np.int32, vector_shape(problem.a_zero, of_rows))
    out_zero = vector_shape(problem.out_scale, of_columns) if problem.out_zero else None
    _check_vector("out_zero", operands.out_zero, np.int32, out_zero)
    _check_vector("bias", operands.bias, np.float32, of_columns if problem.bias else None)
    if operands.bias is not None and not np.isfinite(operands.bias).all():
        raise OperandError("bias is not finite", "remove NaN and infinity from bias")
    if problem.residual != "none":
        if operands.residual is None:
            raise OperandError("residual is missing", f"give float32{[*of_rows, problem.n]}")
        _check_array("residual", operands.residual, np.float32, (*of_rows, problem.n))


def _check_absent(problem: Problem, operands: Operands) -> None:
    absent = {
        **{
            name: getattr(problem, name) == "none"
            for name in ("row_scale", "col_scale", "a_zero", "out_scale", "residual")
        },
        "bias": not problem.bias,
        "out_zero": not problem.out_zero,
    }
    for name, is_absent in absent.items():
        if is_absent and problem.is_integer and getattr(operands, name) is not None:
            raise OperandError(
                f"{name} is given but the problem has none", f"leave {name} out, or state it in the problem"
            )


def _check_vector(name: str, value: Array | None, dtype: type[np.generic], shape: tuple[int, ...] | None) -> None:
    if shape is None:
        return
    if value is None:
        raise OperandError(f"{name} is missing", f"give {np.dtype(dtype)}{list(shape)}")
    _check_array(name, value, dtype, shape)


def _check_array(name: str, value: Array, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    wanted = np.dtype(dtype)
    if not isinstance(value, np.ndarray):
        raise OperandError(
            f"{name} is a {type(value).__name__}, not a numpy array on the CPU", f"pass {name}.cpu().numpy()"
        )
    if value.dtype != wanted:
        raise OperandError(f"{name} is {value.dtype}, expected {wanted}", f"convert with {name}.astype('{wanted}')")
    if value.shape != shape:
        remedy = "A is [M,K] and B is [N,K], of a batch [batch,M,K] and [batch,N,K]; images are NHWC"
        raise OperandError(f"{name} has shape {list(value.shape)}, expected {list(shape)}", remedy)
    if not value.flags.c_contiguous:
        raise OperandError(f"{name} is not C-contiguous", f"pass numpy.ascontiguousarray({name})")


def vector_shape(kind: str, vector: tuple[int, ...]) -> tuple[int, ...] | None:
    """Of an operand of a kind, that has `vector` where each row or column has its own; None where there is none."""
    return {"none": None, "tensor": (1,), "vector": vector}[kind]
