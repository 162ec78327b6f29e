"""Parameters of groups as kernels take them."""

from __future__ import annotations

import numpy as np
import pytest

from immabench.data_types import as_float32, bf16_to_f32, round_to
from immabench.packing import float_group_affine, group_affine, group_rows


def test_rows_are_transposed_and_padded() -> None:
    values = np.arange(1, 7, dtype=np.float32).reshape(3, 2)
    rows = group_rows(values)
    assert (rows.shape, rows.dtype, rows.flags["C_CONTIGUOUS"]) == ((2, 16), np.dtype(np.float32), True)
    assert rows[:, :3].tolist() == [[1, 3, 5], [2, 4, 6]]
    assert not rows[:, 3:].any()


@pytest.mark.parametrize("n", [1, 16, 40])
def test_affine_words_decode_every_code_in_the_place_of_its_row(n: int) -> None:
    generator = np.random.default_rng(n)
    zero = generator.integers(0, 16, (n, 3)).astype(np.uint8)
    largest = np.minimum(128 // np.maximum(zero, 1), 127 // np.maximum(15 - zero, 1))
    step = generator.integers(1, largest + 1).astype(np.int8)
    words = group_affine(step, zero)
    assert (words.shape, words.dtype) == ((3, -(-n // 16) * 16), np.dtype(np.uint16))
    for row in range(n):
        place = row // 16 * 16 + row % 8 * 2 + row % 16 // 8
        for group in range(3):
            word = int(words[group, place])
            for code in range(16):
                unsigned = code * (word & 0xFF) + (word >> 8)
                assert 0 <= unsigned <= 255
                assert unsigned - 128 == (code - int(zero[row, group])) * int(step[row, group])


@pytest.mark.parametrize("data_type", ["f16", "bf16"])
@pytest.mark.parametrize("n", [1, 16, 40])
def test_float_affine_words_are_a_scale_and_a_zero_point(data_type: str, n: int) -> None:
    generator = np.random.default_rng(n)
    zero = generator.integers(0, 16, (n, 3)).astype(np.uint8)
    scale = round_to(data_type, generator.uniform(1e-4, 10, (n, 3)).astype(np.float32))
    words = float_group_affine(data_type, scale, zero)
    assert (words.shape, words.dtype) == ((3, -(-n // 16) * 16), np.dtype(np.uint32))
    floats, one = as_float32(data_type, scale), {"f16": 1024, "bf16": 128}[data_type]
    for row in range(n):
        place = row // 16 * 16 + row % 8 * 2 + row % 16 // 8
        for group in range(3):
            low, high = words[group, place : place + 1].view(np.uint16)
            pair = np.array([low, high], np.uint16)
            value, raised = bf16_to_f32(pair) if data_type == "bf16" else pair.view(np.float16)
            assert (value, raised - one) == (floats[row, group], zero[row, group])
    assert not words[:, [place for place in range(words.shape[1]) if place // 16 * 16 + place % 2 * 8 >= n]].any()
