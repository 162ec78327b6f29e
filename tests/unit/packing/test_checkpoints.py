"""AutoAWQ's and AutoGPTQ's layouts against slow decoders that ask for one element at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import NothingSelectedError, OperandError, UsageError
from immabench.packing import from_awq, from_gptq

AWQ_SHIFTS = (0, 16, 4, 20, 8, 24, 12, 28)
"""Where in an int32 AutoAWQ puts each of eight columns: even ones in the lower half, odd ones in the upper."""

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.sampled_from([32, 64, 128]))
SEEDS = st.integers(0, 2**32 - 1)


def any_words(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.integers(-(2**31), 2**31, shape, np.int32)


def any_scales(generator: np.random.Generator, groups: int, n: int) -> np.ndarray:
    return generator.uniform(2.0**-20, 4.0, (groups, n)).astype(np.float16)


def gptq_zeros(generator: np.random.Generator, groups: int, words: int) -> np.ndarray:
    """Packed nibbles of 0 to 14."""
    nibbles = generator.integers(0, 15, (groups, words, 8)).astype(np.uint32)
    return (nibbles << (4 * np.arange(8, dtype=np.uint32))).sum(axis=-1, dtype=np.uint32).view(np.int32)


@given(SHAPES, SEEDS)
def test_awq(shape: tuple[int, int, int], seed: int) -> None:
    words, groups, group = shape
    generator, k, n = np.random.default_rng(seed), groups * group, 8 * words
    qweight, qzeros = any_words(generator, k, words), any_words(generator, groups, words)
    scales = any_scales(generator, groups, n)

    def element(row: int, column: int) -> tuple[int, int, float]:
        shift, g = AWQ_SHIFTS[column % 8], row // group
        code = int(qweight[row, column // 8]) >> shift & 15
        return code, int(qzeros[g, column // 8]) >> shift & 15, float(scales[g, column])

    weights = from_awq(qweight, qzeros, scales)
    assert weights.shape == (n, k)
    assert weights.scheme.name == ("u4_channel_asym" if groups == 1 else f"u4_g{group}_asym")
    assert (weights.values() == slow_values(n, k, element)).all()


@given(SHAPES, SEEDS, st.booleans(), st.sampled_from(["gptq", "gptq_v2"]))
def test_gptq(shape: tuple[int, int, int], seed: int, with_index: bool, checkpoint_format: str) -> None:
    words, groups, group = shape
    generator, k, n = np.random.default_rng(seed), groups * group, 8 * words
    qweight, qzeros = any_words(generator, k // 8, n), gptq_zeros(generator, groups, words)
    scales = any_scales(generator, groups, n)
    g_idx = np.arange(k, dtype=np.int32) // group if with_index else None

    def element(row: int, column: int) -> tuple[int, int, float]:
        code = int(qweight[row // 8, column]) >> (4 * (row % 8)) & 15
        stored = int(qzeros[row // group, column // 8]) >> (4 * (column % 8)) & 15
        return code, stored + (checkpoint_format == "gptq"), float(scales[row // group, column])

    weights = from_gptq(qweight, qzeros, scales, g_idx, checkpoint_format)
    assert weights.shape == (n, k)
    assert weights.scheme.name == ("u4_channel_asym" if groups == 1 else f"u4_g{group}_asym")
    assert (weights.values() == slow_values(n, k, element)).all()


def test_a_word_by_hand() -> None:
    """0x76543210: nibble i holds i. AutoAWQ's nibbles are columns 0, 2, 4, 6, 1, 3, 5, 7; AutoGPTQ's are in order."""
    word = np.full((32, 1), 0x76543210, np.int32)
    zero, scales = np.zeros((1, 1), np.int32), np.ones((1, 8), np.float16)
    assert from_awq(word, zero, scales).codes()[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    along_k = from_gptq(word[:4].repeat(8, axis=1), zero, scales)
    assert along_k.codes()[0].tolist() == [*range(8)] * 4
    assert along_k.values()[0, :8].tolist() == [-1, 0, 1, 2, 3, 4, 5, 6]


class TestRefused:
    GENERATOR = np.random.default_rng(0)
    QWEIGHT = any_words(GENERATOR, 8, 16)
    QZEROS = gptq_zeros(GENERATOR, 2, 2)
    SCALES = any_scales(GENERATOR, 2, 16)

    def test_activation_order(self) -> None:
        g_idx = np.arange(64, dtype=np.int32) // 32
        g_idx[[0, 63]] = g_idx[[63, 0]]
        with pytest.raises(OperandError, match=r"g_idx is not k / group.*desc_act=False"):
            from_gptq(self.QWEIGHT, self.QZEROS, self.SCALES, g_idx)
        with pytest.raises(OperandError, match="g_idx"):
            from_gptq(self.QWEIGHT, self.QZEROS, self.SCALES, g_idx[:32])

    def test_a_zero_point_stored_as_15(self) -> None:
        qzeros = self.QZEROS.copy()
        qzeros[1, 1] |= 0xF0
        with pytest.raises(OperandError, match=r"15 for group 1, column 9: decoders read it as 0 or as 16; .*gptq_v2"):
            from_gptq(self.QWEIGHT, qzeros, self.SCALES)
        weights = from_gptq(self.QWEIGHT, qzeros, self.SCALES, checkpoint_format="gptq_v2")
        assert weights.zero is not None
        assert weights.zero[9, 1] == 15

    def test_an_unknown_format(self) -> None:
        with pytest.raises(NothingSelectedError, match="no checkpoint format matches 'marlin'"):
            from_gptq(self.QWEIGHT, self.QZEROS, self.SCALES, checkpoint_format="marlin")

    def test_arrays_that_do_not_fit(self) -> None:
        with pytest.raises(OperandError, match=r"qweight is int64\[8, 16\]; give an int32 matrix"):
            from_gptq(self.QWEIGHT.astype(np.int64), self.QZEROS, self.SCALES)
        with pytest.raises(OperandError, match=r"qzeros are int32\[1, 2\], expected \[2, 2\]"):
            from_gptq(self.QWEIGHT, self.QZEROS[:1], self.SCALES)
        with pytest.raises(OperandError, match=r"scales are float16\[2, 8\]; give float16 or float32 \[groups, 16\]"):
            from_gptq(self.QWEIGHT, self.QZEROS, self.SCALES[:, :8])
        with pytest.raises(OperandError, match="scales are uint16"):
            from_gptq(self.QWEIGHT, self.QZEROS, self.SCALES.view(np.uint16))
        with pytest.raises(OperandError, match="3 rows of scales do not divide K=64"):
            from_gptq(self.QWEIGHT, self.QZEROS[[0, 1, 1]], self.SCALES[[0, 1, 1]])

    def test_columns_that_are_not_whole_words(self) -> None:
        with pytest.raises(OperandError, match="qzeros are"):
            from_gptq(self.QWEIGHT[:, :12], self.QZEROS, self.SCALES[:, :12])

    def test_groups_that_no_scheme_has(self) -> None:
        with pytest.raises(UsageError, match="32, 64 or 128 elements of K, not 16"):
            from_gptq(self.QWEIGHT[:4], self.QZEROS, self.SCALES)


def slow_values(n: int, k: int, element: Callable[[int, int], tuple[int, int, float]]) -> np.ndarray:
    """float32 [N, K] of `(code - zero) * scale` of (row, column) of a [K, N] checkpoint."""
    values = np.empty((n, k), np.float32)
    for row in range(k):
        for column in range(n):
            code, zero, scale = element(row, column)
            values[column, row] = np.float32(code - zero) * np.float32(scale)
    return values
