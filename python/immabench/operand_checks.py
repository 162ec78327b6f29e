"""Operands that were given, against the problem they are given for: which of them is wrong, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immabench.data_types import NUMPY_TYPES, Array
from immabench.epilogue_vectors import VECTORS
from immabench.errors import OperandError
from immabench.numerics import check_scale
from immabench.problems import Problem

if TYPE_CHECKING:
    from immabench.operands import Operands


def check_operands(problem: Problem, operands: Operands) -> None:
    """Raise OperandError, naming the operand and the remedy, unless the s8 `operands` fit `problem`.

    A float problem may be given what it does not have: a baseline is stated with the operands of what was asked.
    """
    _check_array("a", operands.a, np.int8, problem.a_shape)
    _check_array("b", operands.b, np.int8, problem.of_batch(problem.n, problem.k))
    _check_absent(problem, operands)
    for name, vector in VECTORS.items():
        if name != "b_sum":  # follows from b
            _check_present(name, getattr(operands, name), vector.data_type, vector.shape(problem))
    for name in ("row_scale", "col_scale", "residual_scale", "out_scale"):
        if getattr(operands, name) is not None:
            check_scale(name, getattr(operands, name))
    if operands.bias is not None and not np.isfinite(operands.bias).all():
        raise OperandError("bias is not finite", "remove NaN and infinity from bias")
    outputs = problem.of_batch(problem.m, problem.n) if problem.residual != "none" else None
    _check_present("residual", operands.residual, "f32", outputs)


def _check_absent(problem: Problem, operands: Operands) -> None:
    absent = [name for name, vector in VECTORS.items() if vector.kind(problem) == "none"]
    absent += ["residual"] if problem.residual == "none" else []
    for name in absent:
        if problem.is_integer and getattr(operands, name) is not None:
            raise OperandError(
                f"{name} is given but the problem has none", f"leave {name} out, or state it in the problem"
            )


def _check_present(name: str, value: Array | None, data_type: str, shape: tuple[int, ...] | None) -> None:
    """Nothing is asked of what a problem has not: its shape is None."""
    if shape is None:
        return
    if value is None:
        raise OperandError(f"{name} is missing", f"give {np.dtype(NUMPY_TYPES[data_type])}{list(shape)}")
    _check_array(name, value, NUMPY_TYPES[data_type], shape)


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
