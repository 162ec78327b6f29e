"""What the codes of weights stand for and how they lie in bytes (docs/numerics.md, Weight formats)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immabench.data_types import pack_codes, unpack_codes
from immabench.errors import OperandError, UsageError
from immabench.numerics import quantize

CODEBOOK_SIZE = 16
"""Entries of a codebook of 4-bit codes."""

NF4_VALUES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""NormalFloat4, each a float32: quantiles of the normal distribution scaled to [-1, 1] (QLoRA, arXiv:2305.14314,
Appendix E)."""


@dataclass(frozen=True)
class WeightFormat:
    """Codes of `bits` bits, `codes_per_byte` a byte along K, the first in the lowest bits.

    A code stands for itself, or for `codebook[code]` where there is a codebook. Codes are held as int8, one a byte,
    until they are packed.
    """

    name: str
    bits: int
    signed: bool
    codebook: tuple[float, ...] | None = None

    @property
    def codes_per_byte(self) -> int:
        """Codes that share a byte."""
        return 8 // self.bits

    @property
    def code_range(self) -> tuple[int, int]:
        """The least and the greatest code."""
        least = -(1 << (self.bits - 1)) if self.signed else 0
        return least, least + (1 << self.bits) - 1

    @property
    def needs_zero(self) -> bool:
        """Whether codes are integers from 0 up, which stand for negative numbers only by a zero point."""
        return self.codebook is None and not self.signed

    @property
    def integer(self) -> bool:
        """Whether every code stands for an integer, so that an integer mainloop can multiply it."""
        return self.codebook is None or all(value == int(value) for value in self.codebook)

    @property
    def largest(self) -> float:
        """The magnitude that symmetric quantization maps the largest weight under one scale to."""
        return float(self.code_range[1]) if self.codebook is None else max(abs(value) for value in self.codebook)

    @property
    def zero_code(self) -> int | None:
        """The code that stands for 0, None where none does."""
        return 0 if self.codebook is None else next((i for i, value in enumerate(self.codebook) if value == 0), None)

    def pack(self, codes: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Codes [..., K] as bytes [..., ceil(K / codes_per_byte)]; the rest of a last byte is 0.

        Raises OperandError as `check_codes` does.
        """
        self.check_codes(codes)
        return pack_codes(codes, self.bits)

    def check_codes(self, codes: NDArray[np.int8]) -> None:
        """Raise OperandError for codes that are not int8, or outside `code_range`."""
        least, greatest = self.code_range
        if codes.dtype != np.int8:
            raise OperandError(f"codes are {codes.dtype}, expected int8", "convert with codes.astype('int8')")
        if codes.size and not (least <= codes.min() and codes.max() <= greatest):
            raise OperandError(
                f"{self.name} codes go from {codes.min()} to {codes.max()}", f"the range is {least} to {greatest}"
            )

    def unpack(self, packed: NDArray[np.uint8], k: int) -> NDArray[np.int8]:
        """The `k` codes [..., k] of bytes [..., ceil(k / codes_per_byte)]. Raises OperandError for another length."""
        expected = self.row_bytes(k)
        if packed.dtype != np.uint8 or packed.shape[-1] != expected:
            raise OperandError(
                f"{self.name} codes are {packed.dtype}{list(packed.shape)}",
                f"{k} codes a row take {expected} bytes, as uint8",
            )
        return unpack_codes(packed, self.bits, self.signed)[..., :k]

    def row_bytes(self, k: int) -> int:
        """Bytes of a row of `k` codes."""
        return -(-k // self.codes_per_byte)

    def encode(self, x: ArrayLike, zero: ArrayLike = 0) -> NDArray[np.int8]:
        """Codes of the float32 numbers `x`, in units of the scale: the code of the nearest value.

        Integers are rounded half to even, then the zero point is added and the sum clamped, as `numerics.quantize`
        does. In a codebook a tie goes to the greater value; a codebook has no zero points.
        """
        if self.codebook is None:
            return quantize(x, 1.0, zero, *self.code_range)
        codes, boundaries = _ordered(self.codebook)
        nearest: NDArray[np.int8] = codes[np.searchsorted(boundaries, np.asarray(x, np.float32), side="right")]
        return nearest

    def decode(self, codes: NDArray[np.int8], zero: ArrayLike = 0) -> NDArray[np.float32]:
        """The float32 values of `codes` less the integer zero point, before any scale; exact."""
        if self.codebook is None:
            return (codes.astype(np.int16) - np.asarray(zero, np.int16)).astype(np.float32)
        values: NDArray[np.float32] = np.asarray(self.codebook, np.float32)[codes]
        return values


@functools.cache
def _ordered(codebook: tuple[float, ...]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """The codes of a codebook's distinct values in ascending order, and the midpoints between these, in float64."""
    values, codes = np.unique(np.asarray(codebook, np.float64), return_index=True)
    return codes.astype(np.int8), (values[1:] + values[:-1]) / 2


def codebook_format(name: str, values: Sequence[int]) -> WeightFormat:
    """The 4-bit format whose code `i` stands for `values[i]`, 16 int8 values in any order, for integer mainloops.

    Raises UsageError for another number of values, values outside int8, and a codebook of nothing but 0.
    """
    integers = [int(value) for value in values]
    if len(integers) != CODEBOOK_SIZE or not all(-128 <= value <= 127 for value in integers):
        raise UsageError(f"codebook {name} is {list(values)}", f"give {CODEBOOK_SIZE} integers of [-128, 127]")
    if not any(integers):
        raise UsageError(f"codebook {name} holds nothing but 0", "give it a value that is not 0")
    return WeightFormat(name, bits=4, signed=False, codebook=tuple(float(value) for value in integers))


WEIGHT_FORMATS = {
    weight_format.name: weight_format
    for weight_format in (
        WeightFormat("s8", bits=8, signed=True),
        WeightFormat("s4", bits=4, signed=True),
        WeightFormat("u4", bits=4, signed=False),
        WeightFormat("nf4", bits=4, signed=False, codebook=NF4_VALUES),
        # NormalFloat4 to 8 bits, for integer mainloops: an example of `codebook_format` and its test.
        codebook_format("nf4_s8", [round(127 * value) for value in NF4_VALUES]),
        WeightFormat("b1", bits=1, signed=False, codebook=(-1.0, 1.0)),
    )
}
"""The formats by name. `u4` has zero points; the bit 1 of `b1` stands for +1, the bit 0 for -1."""
