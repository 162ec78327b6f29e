"""Write the table of attention's accuracy into docs/numerics.md: signal to quantization noise against float64.

    python bench/attention_accuracy.py            print the table
    python bench/attention_accuracy.py --write    put it into the document, between its markers

Queries, keys and values are random normal numbers, quantized per tensor by their largest magnitude; the reference is
softmax attention of the numbers before that. Computed by the oracle, whose bits are the kernels'; no GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tables import markdown_table, print_or_write

from immabench.attention import attention, attention_scores
from immabench.numerics import quantize

DOCUMENT = Path(__file__).parents[1] / "docs" / "numerics.md"

HEADS, DEPTH = 12, 64
"""DistilBERT's."""

CASES = tuple((tokens, deviation) for tokens in (128, 512) for deviation in (1, 4))
"""Tokens of a sequence, and the standard deviation of scores: how far attention is from an average of all values."""

HEADINGS = ("tokens", "deviation of scores", "int8 operands, exact softmax", "as specified", "s8 output too")


def quantized(x: np.ndarray) -> tuple[np.ndarray, float]:
    """int8 codes of `x` and their scale, largest magnitude / 127."""
    scale = np.float32(np.abs(x).max() / 127)
    return quantize(x, scale), float(scale)


def exact(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """softmax(scores) values in float64, [batch, queries, heads, depth]; scores and values head by head."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.moveaxis(e / e.sum(axis=-1, keepdims=True) @ values, 1, 2)


def decibels(got: np.ndarray, want: np.ndarray) -> str:
    """Signal to noise."""
    noise = np.square(got.astype(np.float64) - want).sum()
    return f"{10 * np.log10(np.square(want).sum() / noise):.1f} dB"


def line(tokens: int, deviation: int) -> tuple[str, ...]:
    """One line of the table."""
    random = np.random.default_rng((tokens, deviation))
    q, k, v = (random.normal(size=(1, tokens, HEADS, DEPTH)).astype(np.float32) for _ in range(3))
    temperature = deviation / np.sqrt(DEPTH)
    by_head: list[Any] = [np.moveaxis(x, 2, 1).astype(np.float64) for x in (q, k, v)]
    want = exact(by_head[0] @ np.swapaxes(by_head[1], -1, -2) * temperature, by_head[2])
    (q8, q_scale), (k8, k_scale), (v8, v_scale) = map(quantized, (q, k, v))
    scale = q_scale * k_scale * temperature
    integers = exact(attention_scores(q8, k8) * scale, np.moveaxis(v8, 2, 1).astype(np.float64) * v_scale)
    got = attention(q8, k8, v8, scale=scale, v_scale=v_scale)
    out_scale = float(np.abs(got).max() / 127)
    codes = attention(q8, k8, v8, scale=scale, v_scale=v_scale, output_type="s8", out_scale=out_scale)
    noises = (integers, got, codes * np.float64(out_scale))
    return (str(tokens), str(deviation), *(decibels(found, want) for found in noises))


def table() -> str:
    """The table in Markdown."""
    return markdown_table(HEADINGS, [line(*case) for case in CASES])


if __name__ == "__main__":
    print_or_write(__doc__, table, DOCUMENT, "attention accuracy")
