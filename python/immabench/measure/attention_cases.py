"""Cases of attention and of its softmax: tokens and scores at the ends of their ranges, keys that do not count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from immabench.measure import companion_calls as calls
from immabench.measure.companion_calls import CompanionCall
from immabench.measure.hostile_values import Generator
from immabench.operands import aligned

Choice = Mapping[str, str]
"""What a case takes of each axis: the types of the matrices by their names, then what else varies in its family."""

SOFTMAX_SCALES = {"usual": 2.0**-10, "steep": 0.7, "flat": 2.0**-32}
"""Of scores; the last tells those alone apart that are as far from each other as int32 allows."""


def edge_shapes(tile: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Shapes around a block's queries and its tile of keys: one, some short of a tile, one, and several tiles."""
    queries, keys, depth = tile
    sizes = [
        (1, 1, 1, 1),
        (1, 2, queries - 1, keys - 1),
        (2, 1, queries, keys),
        (1, 1, queries + 1, keys + 1),
        (2, 2, 17, 3 * keys + 7),
        (1, 1, 2 * queries, 2 * keys),
    ]
    return [(*size, depth) for size in sizes]


def softmax_quantize(generator: Generator, shape: tuple[int, ...], choice: Choice) -> CompanionCall:
    """A row each of: ties of the largest, all of int32, and scores as attention has them; lengths from none to all."""
    rows, columns = shape
    x = generator.normal(0, 3000, shape).astype(np.int32)
    x[::3] = generator.integers(-4, 4, x[::3].shape)
    x[1::3] = generator.integers(-(2**31), 2**31, x[1::3].shape)
    x[-1, 0], x[-1, -1] = 2**31 - 1, -(2**31)
    lengths = generator.integers(0, columns + 1, rows).astype(np.int32)
    lengths[0] = columns
    given = {"none": None, "row": aligned(lengths), "all": aligned(lengths[-1:])}[choice["lengths"]]
    return calls.softmax_quantize(aligned(x), SOFTMAX_SCALES[choice["scale"]], given)


def attention_s8(generator: Generator, shape: tuple[int, ...], choice: Choice) -> CompanionCall:
    """All of int8 with tokens of nothing but its ends, whose scores are as far apart as they can be; any scale.

    "packed" tokens lie beside others in one matrix, as a projection of queries, keys and values at once writes them.
    """
    batch, heads, queries, keys, depth = shape
    apart = choice["tokens"] == "apart"
    q, k, v = (_tokens(generator, (batch, count, heads, depth), apart) for count in (queries, keys, keys))
    q[:, 0], k[:, 0], k[:, -1] = -128, -128, 127
    lengths = generator.integers(0, keys + 2, batch).astype(np.int32)
    return calls.attention_s8(
        q,
        k,
        v,
        scale=float(2.0 ** generator.uniform(-22, -4)),
        v_scale=0.02,
        lengths=aligned(lengths) if choice["lengths"] == "some" else None,
        output_type=choice["out"],
        out_scale=0.015,
        out_zero=-7,
    )


def _tokens(generator: Generator, shape: tuple[int, int, int, int], apart: bool) -> NDArray[np.int8]:
    """Random tokens [batch, tokens, heads, depth], of a matrix of their own or the second half of a wider one's."""
    batch, count, heads, depth = shape
    drawn = generator.integers(-128, 128, (batch, count, 1 if apart else 2, heads, depth)).astype(np.int8)
    tokens: NDArray[np.int8] = aligned(drawn)[:, :, -1]
    return tokens
