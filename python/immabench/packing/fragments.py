"""Weights in the order in which a warp's matrix instructions take them, so that each lane loads 16 bytes in one piece.

A block is 16 rows (N) by `block_k` elements of K: 32 lanes of 16 bytes. Blocks lie as
[ceil(N / 16)][ceil(K / block_k)][32 lanes][16 bytes]. Lane 4 * r + q holds rows r and r + 8, as PTX lays out matrix
fragments (PTX ISA, "Matrix Fragments for mma"; kernels/simt/fragments.hpp).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immabench.errors import OperandError
from immabench.packing.formats import WeightFormat

BLOCK_ROWS = 16
LANES = 32
LANE_BYTES = 16
WORDS = 4
"""32-bit words of a lane."""

Integers = NDArray[np.intp]

Place = Callable[[Integers, Integers, Integers], tuple[Integers, Integers]]
"""Of (q, word, code within the word, the lowest first): whether the code is of row r + 8, and its place along K."""


@dataclass(frozen=True)
class FragmentMajor:
    """The layout of weights of `weight_bits` for instructions that multiply `multiply_bits` wide."""

    weight_bits: int
    multiply_bits: int
    block_k: int
    place: Place

    @property
    def name(self) -> str:
        """For example `w4m8`: 4-bit weights for 8-bit multiplication."""
        return f"w{self.weight_bits}m{self.multiply_bits}"

    def packed_shape(self, n: int, k: int) -> tuple[int, int, int, int]:
        """The shape of reordered weights [n, k]: (row blocks, K blocks, 32 lanes, 16 bytes)."""
        return -(-n // BLOCK_ROWS), -(-k // self.block_k), LANES, LANE_BYTES

    def reorder(self, weight_format: WeightFormat, codes: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Codes [N, K] as bytes of `packed_shape`. Raises OperandError for codes of another width or range.

        What is past N or K is padded with the code that stands for 0. Where there is none, or a zero point moves it,
        code 0 serves too: rows past N are never stored, and elements past K meet activations that are 0.
        """
        self._check_width(weight_format)
        weight_format.check_codes(codes)
        if codes.ndim != 2:
            raise OperandError(f"codes have shape {list(codes.shape)}", "give [N, K]")
        n, k = codes.shape
        row_blocks, k_blocks, *_ = self.packed_shape(n, k)
        padded = np.full((row_blocks * BLOCK_ROWS, k_blocks * self.block_k), weight_format.zero_code or 0, np.int8)
        padded[:n, :k] = codes
        blocks = padded.reshape(row_blocks, BLOCK_ROWS, k_blocks, self.block_k).swapaxes(1, 2)
        rows, columns = self.source()
        return weight_format.pack(blocks[:, :, rows, columns])

    def restore(self, weight_format: WeightFormat, packed: NDArray[np.uint8], n: int, k: int) -> NDArray[np.int8]:
        """The codes [n, k] that `reorder` made `packed` of. Raises OperandError for bytes of another shape."""
        self._check_width(weight_format)
        expected = self.packed_shape(n, k)
        if packed.shape != expected:
            raise OperandError(f"{self.name} weights have shape {list(packed.shape)}", f"expected {list(expected)}")
        blocks = np.empty((*expected[:2], BLOCK_ROWS, self.block_k), np.int8)
        rows, columns = self.source()
        blocks[:, :, rows, columns] = weight_format.unpack(packed, LANE_BYTES * weight_format.codes_per_byte)
        padded = blocks.swapaxes(1, 2).reshape(expected[0] * BLOCK_ROWS, expected[1] * self.block_k)
        return np.ascontiguousarray(padded[:n, :k])

    def source(self) -> tuple[Integers, Integers]:
        """Row and column in its block of each code of each lane, [32, codes of a lane]."""
        lane, word, code = np.indices((LANES, WORDS, 32 // self.weight_bits))
        upper, column = self.place(lane % 4, word, code)
        return (lane // 4 + 8 * upper).reshape(LANES, -1), column.reshape(LANES, -1)

    def _check_width(self, weight_format: WeightFormat) -> None:
        if weight_format.bits != self.weight_bits:
            raise OperandError(
                f"{self.name} takes {self.weight_bits}-bit weights, {weight_format.name} is {weight_format.bits}-bit",
                "take FRAGMENT_LAYOUTS[weight bits, multiply bits]",
            )


def _w4m8(q: Integers, word: Integers, code: Integers) -> tuple[Integers, Integers]:
    """The low nibbles of a word are four elements of row r, the high ones of row r + 8: mask and shift give bytes."""
    return code % 2, 16 * word + 4 * q + code // 2


def _w8m8(q: Integers, word: Integers, code: Integers) -> tuple[Integers, Integers]:
    """The registers of m16n8k32's operand A, in order."""
    return word % 2, 16 * (word // 2) + 4 * q + code


def _w4m4(q: Integers, word: Integers, code: Integers) -> tuple[Integers, Integers]:
    """The two registers of m16n8k64's operand B for rows 0 to 7, then those for rows 8 to 15."""
    return word // 2, 32 * (word % 2) + 8 * q + code


def _w4m16(q: Integers, word: Integers, code: Integers) -> tuple[Integers, Integers]:
    """A word a step of 16: nibbles i and i + 4, 16 bits apart, are the pair of register i of m16n8k16's operand A."""
    register, second = code % 4, code // 4
    return register % 2, 16 * word + 8 * (register // 2) + 2 * q + second


def _w8m16(q: Integers, word: Integers, code: Integers) -> tuple[Integers, Integers]:
    """Two words a step of 16: bytes 0 and 2, 16 bits apart, are a pair of row r, bytes 1 and 3 one of row r + 8."""
    return code % 2, 8 * word + 2 * q + code // 2


FRAGMENT_LAYOUTS = {
    (layout.weight_bits, layout.multiply_bits): layout
    for layout in (
        FragmentMajor(4, 8, block_k=64, place=_w4m8),
        FragmentMajor(8, 8, block_k=32, place=_w8m8),
        FragmentMajor(4, 4, block_k=64, place=_w4m4),
        FragmentMajor(4, 16, block_k=64, place=_w4m16),
        FragmentMajor(8, 16, block_k=32, place=_w8m16),
    )
}
"""The layouts by (bits of a weight, bits of the multiplication)."""
