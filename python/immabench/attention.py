"""Exact numpy oracles of INT8 attention and of its softmax, bit for bit as docs/numerics.md ("Attention") says.

Queries are int8 [batch, queries, heads, depth], keys and values [batch, keys, heads, depth], as projections write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import round_to
from immabench.errors import UsageError
from immabench.numerics import quantize

Array = NDArray[Any]

LARGEST_CODE = 255
CODE_ZERO = -128
"""Codes 0 to 255 are stored as int8, 128 less: what stands for zero."""

MOST_KEYS = 65793
"""255 * 128 a key fits int32, and the sum of so many codes of 255 is 2^24 - 1, which float32 holds."""

DEPTHS = (32, 64, 128)
"""Of heads, that the fused kernels have tiles for."""

LOG2_E = np.float32(float.fromhex("0x1.715476p+0"))
POWERS = tuple(
    np.float32(float.fromhex(c))
    for c in ("0x1.fep+7", "0x1.617e4cp+7", "0x1.ea1774p+5", "0x1.c8324ap+3", "0x1.38c8cap+1")
)
"""255 * 2^f for |f| <= 1/2, the constant first: a minimax fit of relative error below 2^-18."""

_LARGEST_INT32 = 2**31 - 1


@dataclass(frozen=True)
class SoftmaxRows:
    """Rows of a softmax: `codes` int8 [.., keys], 128 below exponentials in 1/255 of the largest, `row_scale` float32
    [..], which makes shares of a row of (codes + 128)."""

    codes: NDArray[np.int8]
    row_scale: NDArray[np.float32]


def check_score_scale(scale: float) -> np.float32:
    """`scale` in float32. Raises UsageError unless it is positive and finite, and so its product with log2 e."""
    value = np.float32(scale)
    with np.errstate(over="ignore"):
        usable = value > 0 and np.isfinite(value * LOG2_E)
    if not usable:
        raise UsageError(f"scale={scale} is no scale of scores", "take a positive, finite number")
    return value


def scaled_powers(t: NDArray[np.float32]) -> NDArray[np.float32]:
    """255 * 2^t of float32 exponents -16 <= t <= 0 as the kernels compute it, before it is rounded to a code."""
    whole = np.rint(t)
    f = t - whole
    g = np.full_like(f, POWERS[-1])
    for power in POWERS[-2::-1]:
        g = g * f + power
    powers: NDArray[np.float32] = np.ldexp(g, whole.astype(np.int32))
    return powers


def exponential_codes(distance: Array, scale: float) -> NDArray[np.int32]:
    """rint(255 * exp(-distance * scale)) of whole distances from the largest score, 0 to 2^32 - 1."""
    slope = check_score_scale(scale) * -LOG2_E
    saturated = np.minimum(distance, _LARGEST_INT32).astype(np.int32).astype(np.float32)
    with np.errstate(over="ignore"):
        t = np.maximum(saturated * slope, np.float32(-16))
    codes: NDArray[np.int32] = np.rint(scaled_powers(t)).astype(np.int32)
    return codes


def softmax_codes(scores: NDArray[np.int32], scale: float, lengths: Array | None = None) -> SoftmaxRows:
    """The softmax of int32 scores [.., keys] over the first `lengths` [..] keys of each row, over all without.

    A row without keys has codes that stand for 0, and a scale of 1. Raises UsageError for a bad scale.
    """
    wide = scores.astype(np.int64)
    keys = scores.shape[-1]
    counted = np.full(scores.shape[:-1], keys) if lengths is None else np.clip(lengths, 0, keys)
    present = np.arange(keys) < np.broadcast_to(counted, scores.shape[:-1])[..., None]
    largest = np.where(present, wide, -(2**31)).max(axis=-1, keepdims=True)
    codes = np.where(present, exponential_codes(np.where(present, largest - wide, 0), scale), 0)
    total = np.maximum(codes.sum(axis=-1), 1)
    row_scale = (np.float32(1) / total.astype(np.float32)).astype(np.float32)
    return SoftmaxRows((codes + CODE_ZERO).astype(np.int8), row_scale)


def attention_scores(q: NDArray[np.int8], k: NDArray[np.int8]) -> NDArray[np.int32]:
    """The int32 products of every query with every key, [batch, heads, queries, keys]."""
    wide_q, wide_k = (np.moveaxis(x, 2, 1).astype(np.float64) for x in (q, k))
    scores: NDArray[np.int32] = (wide_q @ np.swapaxes(wide_k, -1, -2)).astype(np.int32)
    return scores


def attention(
    q: NDArray[np.int8],
    k: NDArray[np.int8],
    v: NDArray[np.int8],
    *,
    scale: float,
    v_scale: float,
    lengths: Array | None = None,
    output_type: str = "f32",
    out_scale: float = 1.0,
    out_zero: int = 0,
) -> Array:
    """softmax(q k^T * scale) (v * v_scale) head by head, [batch, queries, heads, depth], in `output_type`.

    `lengths` [batch] says how many keys count, from the first; a query without keys gives 0. An output of "s8" is
    quantized with `out_scale` and `out_zero`. Raises UsageError for bad scales and more than `MOST_KEYS` keys.
    """
    if k.shape[1] > MOST_KEYS:
        raise UsageError(f"{k.shape[1]} keys exceed {MOST_KEYS}", "split them")
    rows = softmax_codes(attention_scores(q, k), scale, None if lengths is None else lengths[:, None, None])
    codes = rows.codes.astype(np.float64) - CODE_ZERO
    sums = (codes @ np.moveaxis(v, 2, 1).astype(np.float64)).astype(np.int32)
    values = sums.astype(np.float32) * rows.row_scale[..., None] * np.float32(v_scale)
    values = np.ascontiguousarray(np.moveaxis(values, 1, 2))
    return quantize(values, out_scale, out_zero) if output_type == "s8" else round_to(output_type, values)
