"""What groups of K have beside their codes, as kernels of fragment-major weights take it: [K / group, N], N padded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.packing.fragments import BLOCK_ROWS

OFFSET = 128
"""Moves `(code - zero) * step`, an int8, to an unsigned byte: a kernel needs one multiplication for four codes then."""

ZERO_POINT_BITS = {"f16": 0x6400, "bf16": 0x4300}
"""The bits of 1024 and of 128, whose last bit is worth 1: a zero point added to them is added to the number."""


def group_rows(values: NDArray[Any]) -> NDArray[Any]:
    """One number a row and group, [N, K / group], as [K / group, N padded to 16 with zeros]."""
    return np.ascontiguousarray(np.pad(values, [(0, -len(values) % BLOCK_ROWS), (0, 0)]).T)


def group_affine(step: NDArray[np.int8], zero: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Steps and zero points [N, K / group] as uint16 [K / group, N padded]: step + 256 * (128 - zero * step).

    Within 16 rows the order is 0, 8, 1, 9, ..: a word of 32 bits has rows r and r + 8, those of a lane's codes.
    `(code - zero) * step` must fit int8 for every code of 4 bits (QuantizedWeights checks it).
    """
    return _alternating(
        group_rows(step.astype(np.uint16) + 256 * (OFFSET - zero.astype(np.int32) * step).astype(np.uint16))
    )


def float_group_affine(data_type: str, scale: NDArray[Any], zero: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Scales, of f16 or as the bits of bf16, and zero points, [N, K / group], as uint32 [K / group, N padded].

    The lower half of a word is the scale, the upper one the float 1024 + zero (f16) or 128 + zero (bf16): what a kernel
    subtracts from floats it made of codes by their bits. The order within 16 rows is that of `group_affine`.
    """
    raised = zero.astype(np.uint32) + np.uint32(ZERO_POINT_BITS[data_type])
    return _alternating(group_rows(scale.view(np.uint16) | raised << np.uint32(16)))


def _alternating(words: NDArray[Any]) -> NDArray[Any]:
    """[groups, N padded] with rows in the order 0, 8, 1, 9, .. within 16."""
    halves = words.reshape(len(words), -1, 2, BLOCK_ROWS // 2)
    return np.ascontiguousarray(halves.swapaxes(2, 3).reshape(words.shape))
