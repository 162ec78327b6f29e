"""Fragment-major layouts against what PTX says each lane's registers hold, one code at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import OperandError
from immabench.packing import FRAGMENT_LAYOUTS, WEIGHT_FORMATS, FragmentMajor, WeightFormat

EVERY_LAYOUT = pytest.mark.parametrize(
    "layout", FRAGMENT_LAYOUTS.values(), ids=[layout.name for layout in FRAGMENT_LAYOUTS.values()]
)
SIZES = st.integers(1, 150)
SEEDS = st.integers(0, 2**32 - 1)


def random_codes(weight_format: WeightFormat, n: int, k: int, seed: int) -> np.ndarray:
    least, greatest = weight_format.code_range
    return np.random.default_rng(seed).integers(least, greatest + 1, (n, k), np.int8)


def formats_of(layout: FragmentMajor) -> list[WeightFormat]:
    return [weight_format for weight_format in WEIGHT_FORMATS.values() if weight_format.bits == layout.weight_bits]


@EVERY_LAYOUT
@given(n=SIZES, k=SIZES, seed=SEEDS)
def test_restore_undoes_reorder(layout: FragmentMajor, n: int, k: int, seed: int) -> None:
    for weight_format in formats_of(layout):
        codes = random_codes(weight_format, n, k, seed)
        packed = layout.reorder(weight_format, codes)
        assert (packed.shape, packed.dtype) == (layout.packed_shape(n, k), np.uint8)
        assert packed.flags.c_contiguous
        assert (layout.restore(weight_format, packed, n, k) == codes).all()


@EVERY_LAYOUT
@given(n=st.integers(1, 40), k=SIZES, seed=SEEDS)
def test_every_word_is_the_slow_definition(layout: FragmentMajor, n: int, k: int, seed: int) -> None:
    weight_format = formats_of(layout)[-1]
    codes = random_codes(weight_format, n, k, seed)
    words = layout.reorder(weight_format, codes).view("<u4")
    generator = np.random.default_rng(seed)
    for _ in range(40):
        block, step, lane, word = (int(generator.integers(size)) for size in words.shape)
        places = PLACES[layout.weight_bits, layout.multiply_bits](lane, word)
        expected = 0
        for i, (row, column) in enumerate(places):
            row, column = 16 * block + row, layout.block_k * step + column
            inside = row < n and column < k
            code = int(codes[row, column]) if inside else padding_of(weight_format)
            expected |= (code & ((1 << layout.weight_bits) - 1)) << (layout.weight_bits * i)
        assert int(words[block, step, lane, word]) == expected


@EVERY_LAYOUT
def test_a_warp_reads_each_code_of_a_block_once(layout: FragmentMajor) -> None:
    places = [
        place
        for lane in range(32)
        for word in range(4)
        for place in PLACES[layout.weight_bits, layout.multiply_bits](lane, word)
    ]
    assert sorted(places) == [(row, column) for row in range(16) for column in range(layout.block_k)]


class TestRegisters:
    """What a kernel makes of its 16 bytes is a fragment as PTX has it, for every lane of a block of two in K."""

    def test_4_bit_weights_for_8_bit_multiplication(self) -> None:
        codes, words = self._packed(4, 8, "u4", 128)
        for step, lane, word in np.ndindex(2, 32, 4):
            value = int(words[step, lane, word])
            for upper, register in ((0, value & 0x0F0F0F0F), (1, value >> 4 & 0x0F0F0F0F)):
                for i in range(4):
                    row, column = a_element(lane, 4 * (2 * (word % 2) + upper) + i, 4)
                    assert register >> 8 * i & 0xFF == codes[row, 64 * step + 32 * (word // 2) + column]

    def test_8_bit_weights_for_8_bit_multiplication(self) -> None:
        codes, words = self._packed(8, 8, "s8", 64)
        for step, lane, register in np.ndindex(2, 32, 4):
            for i in range(4):
                row, column = a_element(lane, 4 * register + i, 4)
                assert byte(words[step, lane, register], i) == codes[row, 32 * step + column]

    def test_4_bit_weights_for_4_bit_multiplication(self) -> None:
        codes, words = self._packed(4, 4, "u4", 128)
        for step, lane, word in np.ndindex(2, 32, 4):
            for i in range(8):
                column, k = b_element(lane, 8 * (word % 2) + i, 8)
                assert int(words[step, lane, word]) >> 4 * i & 0xF == codes[8 * (word // 2) + column, 64 * step + k]

    def test_4_bit_weights_for_16_bit_multiplication(self) -> None:
        codes, words = self._packed(4, 16, "u4", 128)
        for step, lane, word, register in np.ndindex(2, 32, 4, 4):
            pair = int(words[step, lane, word]) >> 4 * register & 0x000F000F
            for i in range(2):
                row, column = a_element(lane, 2 * register + i, 2)
                assert pair >> 16 * i & 0xFFFF == codes[row, 64 * step + 16 * word + column]

    def test_8_bit_weights_for_16_bit_multiplication(self) -> None:
        codes, words = self._packed(8, 16, "s8", 64)
        for step, lane, word, upper, i in np.ndindex(2, 32, 4, 2, 2):
            row, column = a_element(lane, 2 * (2 * (word % 2) + upper) + i, 2)
            assert byte(words[step, lane, word], 2 * i + upper) == codes[row, 32 * step + 16 * (word // 2) + column]

    def _packed(self, weight_bits: int, multiply_bits: int, name: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        codes = random_codes(WEIGHT_FORMATS[name], 16, k, seed=1)
        packed = FRAGMENT_LAYOUTS[weight_bits, multiply_bits].reorder(WEIGHT_FORMATS[name], codes)
        return codes, packed.view("<u4")[0]


@pytest.mark.parametrize(("name", "byte_value"), [("s4", 0x00), ("u4", 0x00), ("nf4", 0x77), ("nf4_s8", 0x77)])
def test_padding_stands_for_zero(name: str, byte_value: int) -> None:
    weight_format = WEIGHT_FORMATS[name]
    packed = FRAGMENT_LAYOUTS[4, 8].reorder(weight_format, np.full((1, 1), weight_format.zero_code, np.int8))
    assert (packed == byte_value).all()
    assert not weight_format.decode(weight_format.unpack(packed, 32)).any()


@EVERY_LAYOUT
def test_what_does_not_fit_is_refused(layout: FragmentMajor) -> None:
    with pytest.raises(OperandError, match=f"{layout.name} takes {layout.weight_bits}-bit weights, b1 is 1-bit"):
        layout.reorder(WEIGHT_FORMATS["b1"], np.zeros((1, 1), np.int8))
    weight_format = formats_of(layout)[0]
    with pytest.raises(OperandError, match="codes are int32, expected int8"):
        layout.reorder(weight_format, np.zeros((1, 1), np.int32))
    with pytest.raises(OperandError, match=r"codes have shape \[32\]; give \[N, K\]"):
        layout.reorder(weight_format, np.zeros(32, np.int8))
    packed = layout.reorder(weight_format, np.zeros((17, 65), np.int8))
    with pytest.raises(OperandError, match=r"have shape .*; expected "):
        layout.restore(weight_format, packed, 16, 65)


def a_element(lane: int, element: int, per_register: int) -> tuple[int, int]:
    """(row, k) of an element of operand A, 16 rows: PTX ISA, "Matrix Fragments for mma.m16n8k16 / k32"."""
    register, i = divmod(element, per_register)
    row = lane // 4 + (8 if register in (1, 3) else 0)
    return row, (lane % 4) * per_register + i + (4 * per_register if register >= 2 else 0)


def b_element(lane: int, element: int, per_register: int) -> tuple[int, int]:
    """(column, k) of an element of operand B, 8 columns: PTX ISA, "Matrix Fragments for mma.m16n8k64"."""
    register, i = divmod(element, per_register)
    return lane // 4, (lane % 4) * per_register + i + 4 * per_register * register


def byte(word: int, i: int) -> int:
    """Byte `i` of a word as int8."""
    return (int(word) >> 8 * i & 0xFF ^ 0x80) - 0x80


def padding_of(weight_format: WeightFormat) -> int:
    """The first code that stands for 0."""
    values = weight_format.codebook or (0.0,)
    return values.index(0.0)


def _interleaved(*rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [place for places in zip(*rows, strict=True) for place in places]


def _run(row: int, first: int, length: int) -> list[tuple[int, int]]:
    return [(row, first + i) for i in range(length)]


def _w4m8(lane: int, word: int) -> list[tuple[int, int]]:
    r, q = lane // 4, lane % 4
    first = (0, 16, 32, 48)[word] + 4 * q
    return _interleaved(_run(r, first, 4), _run(r + 8, first, 4))


def _w8m8(lane: int, word: int) -> list[tuple[int, int]]:
    r, q = lane // 4, lane % 4
    return _run((r, r + 8, r, r + 8)[word], (0, 0, 16, 16)[word] + 4 * q, 4)


def _w4m4(lane: int, word: int) -> list[tuple[int, int]]:
    r, q = lane // 4, lane % 4
    return _run((r, r, r + 8, r + 8)[word], (0, 32, 0, 32)[word] + 8 * q, 8)


def _w4m16(lane: int, word: int) -> list[tuple[int, int]]:
    r, k = lane // 4, 16 * word + 2 * (lane % 4)
    return [(r, k), (r + 8, k), (r, k + 8), (r + 8, k + 8), (r, k + 1), (r + 8, k + 1), (r, k + 9), (r + 8, k + 9)]


def _w8m16(lane: int, word: int) -> list[tuple[int, int]]:
    r, k = lane // 4, (0, 8, 16, 24)[word] + 2 * (lane % 4)
    return [(r, k), (r + 8, k), (r, k + 1), (r + 8, k + 1)]


PLACES = {(4, 8): _w4m8, (8, 8): _w8m8, (4, 4): _w4m4, (4, 16): _w4m16, (8, 16): _w8m16}
"""For each layout, the (row, k) in its block of each code of a lane's word, lowest first (docs/numerics.md)."""
