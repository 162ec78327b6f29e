"""What tests of the CPU's native passes share: shapes at the edges of vectors, hostile values, and equality of bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from immabench import data_types

FLOATS = ("f32", "f16", "bf16")
ENDS = (1, 15, 16, 17, 31, 33, 64, 65)
"""Columns around the widths of vectors."""

columns = st.sampled_from((*ENDS, 511, 512, 513, 1030))
rows = st.sampled_from((1, 2, 5, 40, 200))
"""The most of them, of many columns, are enough work for several threads."""

threads = st.sampled_from((1, 2, 3, 8))
seeds = st.integers(0, 2**32 - 1)
exactly = settings(max_examples=60, deadline=None)
_HOSTILE_BITS = (
    *(0x7FC00000, 0xFFFFFFFF, 0x7F800000, 0xFF800000, 0x80000000, 0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0x33000000),
    *(0x3F000000, 0x3FC00000, 0xC0200000, 0x477FF000, 0x477FEFFF, 0x38800000, 0x387FFFFF, 0x42FE8000, 0xC3008000),
)
HOSTILE = np.array(_HOSTILE_BITS, np.uint32).view(np.float32)
"""NaNs, infinities, -0, subnormals, the largest number, ties of codes, and where f16 begins, ends and loses bits."""


def hostile_floats(rng: np.random.Generator, shape: tuple[int, ...], data_type: str = "f32") -> np.ndarray:
    """Numbers of all sizes, some of them ties, some hostile, in a type."""
    values = (rng.normal(size=shape) * np.exp2(rng.integers(-20, 12, shape))).astype(np.float32)
    values = np.where(rng.random(shape) < 0.2, np.rint(values * 2) / 2, values)
    values = np.where(rng.random(shape) < 0.2, rng.choice(HOSTILE, shape), values).astype(np.float32)
    with np.errstate(all="ignore"):
        return data_types.round_to(data_type, values)


def scales(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return np.exp2(rng.uniform(-24, 8, shape)).astype(np.float32)


def integers(rng: np.random.Generator, low: int, high: int, *shape: int, dtype: Any = np.int32) -> np.ndarray:
    """Over the whole range, the ends of it included."""
    drawn = rng.integers(low, high, shape, endpoint=True, dtype=np.int64)
    return np.where(rng.random(shape) < 0.1, rng.choice([low, high], shape), drawn).astype(dtype)


def same(got: np.ndarray, want: np.ndarray, data_type: str) -> bool:
    """Bit for bit; of NaNs that they are: which one comes of another is not specified."""
    if data_type not in FLOATS:
        return np.array_equal(got, want)
    nan = np.isnan(data_types.as_float32(data_type, want))
    bits = np.uint32 if data_type == "f32" else np.uint16
    equal = got.view(bits) == want.view(bits)
    return bool(np.where(nan, np.isnan(data_types.as_float32(data_type, got)), equal).all())
