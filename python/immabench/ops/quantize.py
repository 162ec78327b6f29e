"""Quantization with given scales, its inverse, and from one scale to another."""

from __future__ import annotations

import torch
from torch import Tensor

from immabench.errors import OperandError, UsageError
from immabench.ops.companions import FLOATS, code_range, compute, expect_scale, expect_zero_point, matrix_shape
from immabench.ops.epilogue import DTYPES, expect

GRANULARITIES = ("tensor", "row", "column")
_RANGES = {"s8": (-128, 127), "s4": (-8, 7)}


@torch.library.custom_op("immabench::quantize", mutates_args=())
def quantize(
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    granularity: str = "tensor",
    code_type: str = "s8",
    qmin: int | None = None,
    qmax: int | None = None,
    kernel: str = "",
) -> Tensor:
    """`clamp(rint(x / scale) + zero_point, qmin, qmax)` of float x [.., columns]: int8 of the same shape, or where
    `code_type` is s4 two codes a byte, uint8 [.., columns / 2].

    `scale` is float32 and `zero_point` int32: [1] for a tensor, x.shape[:-1] for a row each, [columns] for a column
    each, as `granularity` says. The range is that of the codes unless given. docs/numerics.md specifies every bit.
    Raises OperandError and UsageError in one line.
    """
    codes = _codes(x, scale, zero_point, granularity, code_type, qmin, qmax)
    low, high = code_range(qmin, qmax, _RANGES[code_type])

    matrix = matrix_shape("x", x)
    inputs = {"x": x.reshape(matrix), "scale": _flat(scale), "zero_point": _flat(zero_point)}
    options = {"granularity": granularity, "qmin": low, "qmax": high}
    compute("quantize", matrix, inputs, {"codes": codes.view(matrix[0], -1)}, options, kernel)
    return codes


@quantize.register_fake
def _codes(
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    granularity: str = "tensor",
    code_type: str = "s8",
    qmin: int | None = None,
    qmax: int | None = None,
    kernel: str = "",
) -> Tensor:
    """Memory for the codes of a call that is right."""
    expect("x", x, FLOATS)
    _, columns = matrix_shape("x", x)
    _expect_scales(scale, zero_point, granularity, (*x.shape[:-1], columns))
    if code_type not in _RANGES:
        raise UsageError(f"unknown code_type {code_type!r}", f"choose one of {', '.join(_RANGES)}")
    code_range(qmin, qmax, _RANGES[code_type])
    if code_type == "s8":
        return torch.empty_like(x, dtype=torch.int8, memory_format=torch.contiguous_format)
    if columns % 2:
        raise OperandError(f"x has {columns} columns, and int4 codes lie two a byte", "pad them to an even number")
    return x.new_empty((*x.shape[:-1], columns // 2), dtype=torch.uint8)


@torch.library.custom_op("immabench::dequantize", mutates_args=())
def dequantize(
    codes: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    granularity: str = "tensor",
    output_type: str = "f32",
    kernel: str = "",
) -> Tensor:
    """`(codes - zero_point) * scale`, rounded to f32, f16 or bf16: codes int8 [.., columns], or uint8 [.., columns / 2]
    of int4 two a byte; out [.., columns]. Scales and zero points as `quantize` takes them.
    """
    out = _values(codes, scale, zero_point, granularity, output_type)
    packed = codes.dtype == torch.uint8

    rows, columns = matrix_shape("codes", codes, 2 if packed else 1)
    inputs = {"codes": codes.reshape(rows, -1), "scale": _flat(scale), "zero_point": _flat(zero_point)}
    options = {"granularity": granularity}
    compute("dequantize", (rows, columns), inputs, {"out": out.view(rows, columns)}, options, kernel)
    return out


@dequantize.register_fake
def _values(
    codes: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    granularity: str = "tensor",
    output_type: str = "f32",
    kernel: str = "",
) -> Tensor:
    """Memory for the floats of a call that is right."""
    expect("codes", codes, (torch.int8, torch.uint8))
    _, columns = matrix_shape("codes", codes, 2 if codes.dtype == torch.uint8 else 1)
    shape = (*codes.shape[:-1], columns)
    _expect_scales(scale, zero_point, granularity, shape)
    dtype = DTYPES.get(output_type)
    if dtype not in FLOATS:
        raise UsageError(f"unknown output_type {output_type!r}", "choose one of f32, f16, bf16")
    return codes.new_empty(shape, dtype=dtype)


@torch.library.custom_op("immabench::requantize", mutates_args=())
def requantize(
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    x_zero_point: Tensor | None = None,
    row_scale: Tensor | None = None,
    col_scale: Tensor | None = None,
    bias: Tensor | None = None,
    qmin: int = -128,
    qmax: int = 127,
    kernel: str = "",
) -> Tensor:
    """int8 codes of `(((x - x_zero_point) * row_scale) * col_scale) + bias` by `scale` and `zero_point`: x int32 sums
    of a GEMM, or int8 codes of another scale, [.., columns].

    `scale`, `row_scale`, `col_scale` and `bias` are float32, zero points int32: [1], but `bias` [columns], `row_scale`
    [1] or x.shape[:-1], `col_scale` [1] or [columns]. Sums have no `x_zero_point`.
    """
    codes = _requantized(x, scale, zero_point, x_zero_point, row_scale, col_scale, bias, qmin, qmax)

    matrix = matrix_shape("x", x)
    inputs = {"x": x.reshape(matrix), "scale": scale, "zero_point": zero_point, "x_zero_point": x_zero_point}
    inputs |= {"row_scale": _flat(row_scale), "col_scale": col_scale, "bias": bias}
    options = {"qmin": qmin, "qmax": qmax}
    compute("requantize", matrix, inputs, {"codes": codes.view(matrix)}, options, kernel)
    return codes


@requantize.register_fake
def _requantized(
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    x_zero_point: Tensor | None = None,
    row_scale: Tensor | None = None,
    col_scale: Tensor | None = None,
    bias: Tensor | None = None,
    qmin: int = -128,
    qmax: int = 127,
    kernel: str = "",
) -> Tensor:
    """Memory for the codes of a call that is right."""
    expect("x", x, (torch.int32, torch.int8))
    _, columns = matrix_shape("x", x)
    expect_scale("scale", scale)
    expect_zero_point("zero_point", zero_point)
    expect_zero_point("x_zero_point", x_zero_point)
    if x_zero_point is not None and x.dtype == torch.int32:
        raise OperandError("x_zero_point is given for int32 sums, which have none", "leave x_zero_point out")
    expect_scale("row_scale", row_scale, _extent(row_scale, x.shape[:-1]))
    expect_scale("col_scale", col_scale, _extent(col_scale, (columns,)))
    expect_scale("bias", bias, (columns,))
    code_range(qmin, qmax)
    return torch.empty_like(x, dtype=torch.int8, memory_format=torch.contiguous_format)


def _extent(scale: Tensor | None, each: tuple[int, ...]) -> tuple[int, ...]:
    """[1] where a scale is one for all, else one `each`."""
    return (1,) if scale is not None and tuple(scale.shape) == (1,) else tuple(each)


def _expect_scales(scale: Tensor, zero_point: Tensor | None, granularity: str, shape: tuple[int, ...]) -> None:
    if granularity not in GRANULARITIES:
        raise UsageError(f"unknown granularity {granularity!r}", f"choose one of {', '.join(GRANULARITIES)}")
    extent = {"tensor": (1,), "row": shape[:-1], "column": shape[-1:]}[granularity]
    expect_scale("scale", scale, extent)
    expect_zero_point("zero_point", zero_point, extent)


def _flat(vector: Tensor | None) -> Tensor | None:
    return None if vector is None else vector.reshape(-1)
