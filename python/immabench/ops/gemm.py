"""Products of matrices of one type, or of batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from immabench.errors import OperandError
from immabench.ops.epilogue import Epilogue, EpilogueOptions
from immabench.ops.registering import register
from immabench.problems import Problem

if TYPE_CHECKING:
    from typing_extensions import Unpack


def gemm_s8(a: Tensor, b: Tensor, **epilogue: Unpack[EpilogueOptions]) -> Tensor:
    """`epilogue(a @ b^T)` of int8: a [M,K], b [N,K], out [M,N]; or with a batch in front of each.

    `EpilogueOptions` says what follows the sums; `b_sum` is made here if it is not given. Raises OperandError and
    UsageError in one line.
    """
    return _call_s8(a, b, **epilogue)


def gemm_w4a4(a: Tensor, b: Tensor, **epilogue: Unpack[EpilogueOptions]) -> Tensor:
    """The same of int4, two a byte, the low nibble first: uint8 a [M,K/2], b [N,K/2]. `b_sum` has to be given."""
    return _call_w4a4(a, b, **epilogue)


def _gemm_s8(a: Tensor, b: Tensor, epilogue: Epilogue) -> Problem:
    return _product(a, b, torch.int8, "s8", epilogue)


def _gemm_w4a4(a: Tensor, b: Tensor, epilogue: Epilogue) -> Problem:
    return _product(a, b, torch.uint8, "s4", epilogue)


def _product(a: Tensor, b: Tensor, stored: torch.dtype, data_type: str, epilogue: Epilogue) -> Problem:
    expect_matrix("a", a, stored)
    expect_matrix("b", b, stored)
    _out_shape(a, b)
    batch = a.shape[0] if a.ndim == 3 else 1
    k = a.shape[-1] * (2 if data_type == "s4" else 1)
    shape = (a.shape[-2], b.shape[-2], k)
    return Problem(*shape, data_type, data_type, batch=batch, **epilogue.options())


def _out_shape(a: Tensor, b: Tensor) -> list[int]:
    if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-1]:
        shapes = f"a {list(a.shape)} and b {list(b.shape)}"
        raise OperandError(f"{shapes} have no K in common, or no batch", "pass a [M,K] and b [N,K], of a batch each")
    return [*a.shape[:-1], b.shape[-2]]


def expect_matrix(name: str, matrix: Tensor, dtype: torch.dtype) -> None:
    """Raise OperandError unless `matrix` is one, or a batch of them, of a type."""
    if matrix.dtype != dtype:
        raise OperandError(f"{name} is {matrix.dtype}, expected {dtype}", "quantize it")
    if matrix.ndim not in (2, 3):
        raise OperandError(f"{name} has shape {list(matrix.shape)}", "pass a matrix, or a batch of them")


_call_s8 = register("gemm_s8", "Tensor a, Tensor b", _gemm_s8, _out_shape)
_call_w4a4 = register("gemm_w4a4", "Tensor a, Tensor b", _gemm_w4a4, _out_shape)
