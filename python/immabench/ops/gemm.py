"""Products of matrices, or of batches of them."""

from __future__ import annotations

import torch
from torch import Tensor

from immabench.errors import OperandError
from immabench.ops.epilogue import Epilogue, dtype_of
from immabench.ops.launching import launch
from immabench.problems import Problem


@torch.library.custom_op("immabench::gemm_s8", mutates_args=())
def gemm_s8(
    a: Tensor,
    b: Tensor,
    output_type: str = "s32",
    row_scale: Tensor | None = None,
    col_scale: Tensor | None = None,
    bias: Tensor | None = None,
    a_zero: Tensor | None = None,
    b_sum: Tensor | None = None,
    residual: Tensor | None = None,
    residual_scale: Tensor | None = None,
    residual_zero: Tensor | None = None,
    activation: str = "none",
    out_scale: Tensor | None = None,
    out_zero: Tensor | None = None,
    kernel: str = "",
) -> Tensor:
    """`epilogue(a @ b^T)` of int8: a [M,K], b [N,K], out [M,N]; or with a batch in front of each.

    `output_type` is s32, the sums themselves, or s8, f32, f16, bf16. Scales, `bias` and `out_scale` are float32,
    `a_zero`, `out_zero` and `residual_zero` int32; `b_sum`, int32 [N], is the sum of each row of b where A has a zero
    point, made here if it is not given. `activation` is none, relu or gelu. docs/numerics.md specifies every bit.
    Raises OperandError and UsageError in one line.
    """
    _expect_matrices(a, b)
    epilogue = Epilogue(
        row_scale, col_scale, bias, a_zero, b_sum, residual, residual_scale, residual_zero, out_scale, out_zero
    )
    batch = a.shape[0] if a.ndim == 3 else 1
    options = epilogue.options(output_type, activation)
    problem = Problem(a.shape[-2], b.shape[-2], a.shape[-1], batch=batch, **options)
    return launch(problem, a, b, epilogue, kernel).view(_out_shape(a, b))


@gemm_s8.register_fake
def _(a: Tensor, b: Tensor, output_type: str = "s32", *_: object, **__: object) -> Tensor:
    _expect_matrices(a, b)
    return a.new_empty(_out_shape(a, b), dtype=dtype_of(output_type))


def _out_shape(a: Tensor, b: Tensor) -> list[int]:
    return [*a.shape[:-1], b.shape[-2]]


def _expect_matrices(a: Tensor, b: Tensor) -> None:
    for name, matrix in (("a", a), ("b", b)):
        if matrix.dtype != torch.int8:
            raise OperandError(f"{name} is {matrix.dtype}, expected torch.int8", "quantize it")
        if matrix.ndim not in (2, 3):
            raise OperandError(f"{name} has shape {list(matrix.shape)}", "pass a matrix, or a batch of them")
    if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-1]:
        shapes = f"a {list(a.shape)} and b {list(b.shape)}"
        raise OperandError(f"{shapes} have no K in common, or no batch", "pass a [M,K] and b [N,K], of a batch each")
