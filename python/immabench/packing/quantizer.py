"""Round-to-nearest quantization of weights, as docs/numerics.md (Weight formats) specifies it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immabench.data_types import Array
from immabench.errors import OperandError
from immabench.numerics import quantize
from immabench.packing.schemes import WeightScheme
from immabench.packing.weights import INT8_GREATEST, QuantizedWeights, check_group

LEAST_SCALE = 2.0**-126
"""The least scale, the smallest normal float32: subnormal ones lose the precision of quotients, and 0 has none."""

PROTECTED = 119
"""Magnitude up to which a channel is quantized to int8 before its groups get steps: QServe's protective range
(arXiv:2405.04532, progressive group quantization), within which no rounding to a step leaves int8."""


def quantize_weights(weights: ArrayLike, scheme: WeightScheme) -> QuantizedWeights:
    """Quantize `weights` [N, K], taken as float32, to the nearest codes of `scheme`.

    Symmetric scales map the largest magnitude to the largest code (b1: the mean magnitude to 1); asymmetric ones map
    the range, 0 included, to all codes. What holds nothing but zeros has scale 1, or 2^-126 where no code stands for 0.
    Raises OperandError for weights that are not a finite matrix, UsageError where groups do not divide K.
    """
    matrix = _checked(weights)
    check_group(scheme, matrix.shape[1])
    if scheme.two_level:
        return _two_level(matrix, scheme)
    blocks = _blocks(matrix, scheme)
    scale = _scale(blocks, scheme)
    zero = None if scheme.symmetric else _zero(blocks, scale)
    codes = scheme.format.encode(blocks / scale[..., None], 0 if zero is None else zero[..., None])
    packed = scheme.format.pack(codes.reshape(matrix.shape))
    return QuantizedWeights(scheme, matrix.shape, packed, scale, zero)


def _checked(weights: ArrayLike) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        matrix = np.asarray(weights, np.float32)
    if matrix.ndim != 2 or not matrix.size:
        raise OperandError(f"weights have shape {list(matrix.shape)}", "give a matrix [N, K]")
    if not np.isfinite(matrix).all():
        raise OperandError("weights are not finite", "remove NaN and infinity from weights")
    return matrix


def _blocks(matrix: NDArray[Any], scheme: WeightScheme) -> NDArray[Any]:
    """What one scale covers as the last axis."""
    if scheme.granularity == "tensor":
        return matrix.reshape(1, -1)
    return matrix if scheme.granularity == "channel" else matrix.reshape(len(matrix), -1, scheme.group)


def _scale(blocks: NDArray[np.float32], scheme: WeightScheme) -> NDArray[np.float32]:
    """The scale of each block: the extent of its weights over that of the codes, in float64, then rounded."""
    of_zeros = LEAST_SCALE if scheme.format.zero_code is None else 1.0
    if not scheme.symmetric:
        low, high = _limits(blocks.astype(np.float64))
        least, greatest = scheme.format.code_range
        return _positive((high - low) / (greatest - least), of_zeros)
    if scheme.format.bits == 1:
        return _positive(_mean_magnitude(blocks), of_zeros)
    return _positive(_largest_magnitude(blocks) / scheme.format.largest, of_zeros)


def _positive(scale: NDArray[np.float64], of_zeros: float) -> NDArray[np.float32]:
    return np.where(scale == 0, of_zeros, np.maximum(scale, LEAST_SCALE)).astype(np.float32)


def _largest_magnitude(blocks: NDArray[np.float32]) -> NDArray[np.float64]:
    largest: NDArray[np.float32] = np.abs(blocks).max(axis=-1)
    return largest.astype(np.float64)


def _mean_magnitude(blocks: NDArray[np.float32]) -> NDArray[np.float64]:
    """The least-squares scale of +-1 (XNOR-Net, arXiv:1603.05279, section 3.1); the sum is rounded once to float64."""
    rows = np.abs(blocks).reshape(-1, blocks.shape[-1])
    means = [math.fsum(row.tolist()) / len(row) for row in rows]
    return np.array(means).reshape(blocks.shape[:-1])


def _limits(blocks: Array) -> tuple[Array, Array]:
    """The least and the greatest of each block's elements and 0."""
    return np.minimum(blocks.min(axis=-1), 0), np.maximum(blocks.max(axis=-1), 0)


def _zero(blocks: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int8]:
    """The code that stands for 0: what puts the least weight nearest to code 0."""
    low, _ = _limits(blocks)
    return quantize(-low, scale, 0, 0, 15)


def _two_level(matrix: NDArray[np.float32], scheme: WeightScheme) -> QuantizedWeights:
    """Each channel to int8 within `PROTECTED`, then each group of that to multiples of its step."""
    scale = _positive(_largest_magnitude(matrix) / PROTECTED, of_zeros=1.0)
    channel = quantize(matrix, scale[:, None], 0, -PROTECTED, PROTECTED)
    groups = _blocks(channel, scheme).astype(np.int32)
    step = _symmetric_step(groups) if scheme.symmetric else _asymmetric_step(groups)
    zero = None if scheme.symmetric else _step_zero(groups, step)
    steps = (groups / step[..., None]).astype(np.float32)
    codes = scheme.format.encode(steps, 0 if zero is None else zero[..., None])
    packed = scheme.format.pack(codes.reshape(matrix.shape))
    return QuantizedWeights(scheme, matrix.shape, packed, scale, zero, step.astype(np.int8))


def _symmetric_step(groups: NDArray[np.int32]) -> NDArray[np.int32]:
    """The least step, at least 1, of which seven and a half reach the largest magnitude: 16 for 119."""
    largest: NDArray[np.int32] = np.abs(groups).max(axis=-1)
    return np.maximum(-(-2 * largest // 15), 1)


def _asymmetric_step(groups: NDArray[np.int32]) -> NDArray[np.int32]:
    """The least step, at least 1, of which 15 cover the range, 0 included: 16 for a range of 238."""
    low, high = _limits(groups)
    step: NDArray[np.int32] = np.maximum(-((low - high) // 15), 1)
    return step


def _step_zero(groups: NDArray[np.int32], step: NDArray[np.int32]) -> NDArray[np.int8]:
    """The code that stands for 0, as in `_zero`, but no less than what keeps code 15 within int8.

    Code 0 needs no bound of its own: the former times its step is at most `PROTECTED` and half a step, the latter at
    most 128.
    """
    low, _ = _limits(groups)
    return np.maximum(quantize(-low, step, 0, 0, 15), 15 - INT8_GREATEST // step).astype(np.int8)
