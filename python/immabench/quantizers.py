"""Exact numpy oracles of the quantizers, the memory-bound companions of a GEMM, bit for bit as docs/numerics.md says.

Matrices are [rows, columns]. Floats are float32, float16, or bfloat16 as the uint16 bits of its values. Quantization
with given scales and its inverse are `numerics.quantize` and `numerics.dequantize`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import as_float32, round_to
from immabench.errors import UsageError
from immabench.numerics import check_scale, quantize

Array = NDArray[Any]

PARTIAL_SUMS = 256
SUM_VECTOR = 4
"""A sum over a row: element i goes to partial sum (i / SUM_VECTOR) mod PARTIAL_SUMS."""

F32_NAN = 0x7FFFFFFF
HALF_NAN = 0x7FFF
"""The bits of every NaN that is stored, of 32 and of 16 bits."""

_FLOAT_TYPES = {np.dtype(np.float32): "f32", np.dtype(np.float16): "f16", np.dtype(np.uint16): "bf16"}
_LARGEST = np.float32(np.finfo(np.float32).max)


@dataclass(frozen=True)
class RowCodes:
    """Codes of a matrix, each row by its own range.

    `codes` int8 [rows, columns]; `scale` float32 [rows]; `zero_point` int32 [rows], None where symmetric; `row_sum`
    int32 [rows], the sum of a row's codes.
    """

    codes: NDArray[np.int8]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int32] | None
    row_sum: NDArray[np.int32]


def float_type(x: Array) -> str:
    """The name of the float type an array holds: "f32", "f16", or "bf16" for uint16. Raises UsageError for another."""
    try:
        return _FLOAT_TYPES[x.dtype]
    except KeyError:
        raise UsageError(f"{x.dtype} is no float type here", "use float32, float16, or uint16 for bfloat16") from None


def round_stored(data_type: str, x: Array) -> Array:
    """float32 rounded once to a float type, every NaN as the kernels store it: 0x7FFFFFFF or 0x7FFF."""
    stored = np.array(round_to(data_type, x))
    bits = stored.view(np.uint32 if data_type == "f32" else np.uint16)
    bits[np.isnan(x)] = F32_NAN if data_type == "f32" else HALF_NAN
    return stored


def quantize_dynamic(x: Array, *, asymmetric: bool = False) -> RowCodes:
    """Quantize each row of a float matrix by its own finite values; NaNs and infinities do not count.

    Symmetric: scale = max|x| / 127, codes in [-127, 127]. Asymmetric: scale = (max - min) / 255 of a range that holds
    0, codes and zero points those of ONNX's DynamicQuantizeLinear to uint8, less 128; a range beyond float32 is its
    largest number. A scale of 0 is 1. Infinities saturate, a NaN gets the zero point.
    """
    values = as_float32(float_type(x), x)
    finite = np.where(np.isfinite(values), values, np.float32(0))
    if asymmetric:
        scale, zero_point = _asymmetric(finite.min(axis=1, initial=0), finite.max(axis=1, initial=0))
        codes = quantize(values, scale[:, None], zero_point[:, None])
        return RowCodes(codes, scale, zero_point, row_sums(codes))
    scale = _positive_or_one(np.abs(finite).max(axis=1, initial=0) / np.float32(127))
    codes = quantize(values, scale[:, None], 0, -127, 127)
    return RowCodes(codes, scale, None, row_sums(codes))


def _asymmetric(low: Array, high: Array) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    with np.errstate(over="ignore"):
        scale = _positive_or_one(np.minimum(high - low, _LARGEST) / np.float32(255))
    steps = np.clip(np.rint(-low / scale), 0, 255)
    return scale, steps.astype(np.int32) - 128


def _positive_or_one(scale: Array) -> NDArray[np.float32]:
    return np.where(scale > 0, scale, np.float32(1))


def spread(values: Array | None, granularity: str) -> Array:
    """Scales or zero points of a "tensor", [1], each "row" or each "column" so that they broadcast over the matrix; 0
    where there are none."""
    if values is None:
        return np.zeros(1, np.int32)
    return values[:, None] if granularity == "row" else values


def row_sums(codes: NDArray[np.int8]) -> NDArray[np.int32]:
    """The sum of each row's codes, int32 [rows]; exact to 2^24 columns."""
    sums: NDArray[np.int32] = codes.sum(axis=1, dtype=np.int32)
    return sums


def sum_rows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The float32 sum of each row, in the order of the kernels.

    256 partial sums take their elements in ascending order; then partial sum p takes in p + 128, then p + 64, down to
    p + 1.
    """
    rows, columns = values.shape
    step = PARTIAL_SUMS * SUM_VECTOR
    padded = np.zeros((rows, -(-columns // step) * step), np.float32)
    padded[:, :columns] = values
    groups = padded.reshape(rows, -1, PARTIAL_SUMS, SUM_VECTOR)
    partial = np.zeros((rows, PARTIAL_SUMS), np.float32)
    for group in range(groups.shape[1]):
        for i in range(SUM_VECTOR):
            partial += groups[:, group, :, i]
    while partial.shape[1] > 1:
        half = partial.shape[1] // 2
        partial = partial[:, :half] + partial[:, half:]
    return partial[:, 0]


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float, residual: Array | None = None) -> Array:
    """LayerNorm over the last axis of `x` (+ `residual`), in the type of `x`, shape [rows, columns].

    `gamma` and `beta` are float32 [columns]. The sum with the residual is rounded to the type of `x`; then all is
    float32, each operation rounded, until the result is rounded to that type.
    """
    data_type = float_type(x)
    columns = np.float32(x.shape[1])
    with np.errstate(all="ignore"):
        h = as_float32(data_type, x)
        if residual is not None:
            h = as_float32(data_type, round_stored(data_type, h + as_float32(data_type, residual)))
        centred = h - (sum_rows(h) / columns)[:, None]
        variance = sum_rows(centred * centred) / columns
        factor = np.float32(1) / np.sqrt(variance + np.float32(eps))
        y = centred * factor[:, None] * gamma[None, :].astype(np.float32) + beta[None, :].astype(np.float32)
    return round_stored(data_type, y)


def requantize(
    x: Array,
    scale: float | np.float32,
    zero_point: int = 0,
    *,
    x_zero_point: int = 0,
    row_scale: Array | None = None,
    col_scale: Array | None = None,
    bias: Array | None = None,
    qmin: int = -128,
    qmax: int = 127,
) -> NDArray[np.int8]:
    """int8 codes of `((f32(x - x_zero_point) * row_scale) * col_scale) + bias`, rounded step by step as in a GEMM.

    `x` is int32 accumulators or int8 codes [rows, columns]; `row_scale` float32 [1] or [rows], `col_scale` [1] or
    [columns], `bias` [columns]. An absent step is skipped. Raises UsageError for a scale that is not positive and
    finite.
    """
    value = (x.astype(np.int64) - x_zero_point).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        if row_scale is not None:
            check_scale("row_scale", row_scale)
            value = value * row_scale[:, None]
        if col_scale is not None:
            check_scale("col_scale", col_scale)
            value = value * col_scale[None, :]
        if bias is not None:
            value = value + bias[None, :]
    return quantize(value, scale, zero_point, qmin, qmax)
