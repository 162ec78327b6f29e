"""How the values of a tensor become integers of a few bits: which codes there are, scale and zero point of a range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immabench.errors import UsageError
from immabench.numerics import quantize

LEAST_BITS, MOST_BITS = 2, 8


@dataclass(frozen=True)
class ValueRange:
    """The values that codes are to reach, from `low` to `high`, 0 among them. Raises UsageError for any other."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (-np.inf < self.low <= 0 <= self.high < np.inf):
            raise UsageError(f"[{self.low}, {self.high}] is no range of values", "give finite ends around 0")

    @property
    def magnitude(self) -> float:
        """The farther end."""
        return max(-self.low, self.high)


@dataclass(frozen=True)
class QuantizationParameters:
    """`quantize(x, scale, zero_point, qmin, qmax)` of docs/numerics.md; `scale` is a float32."""

    scale: float
    zero_point: int
    qmin: int
    qmax: int

    def codes(self, values: ArrayLike) -> NDArray[np.int8]:
        """int8 of float32 values."""
        given = np.asarray(values, np.float32)
        return quantize(given, np.float32(self.scale), self.zero_point, self.qmin, self.qmax)


@dataclass(frozen=True)
class TensorScheme:
    """Integers of `bits` with one scale: symmetric ones have 0 as zero point and no code below -qmax, but where a range
    was given beforehand (`parameters`): what is beyond it saturates at the end of the codes, as kernels and engines
    do."""

    bits: int = 8
    symmetric: bool = True

    def __post_init__(self) -> None:
        if not LEAST_BITS <= self.bits <= MOST_BITS:
            raise UsageError(f"{self.bits} bits", f"choose {LEAST_BITS} to {MOST_BITS}")

    @property
    def codes(self) -> tuple[int, int]:
        """The least and the greatest code."""
        most = 2 ** (self.bits - 1) - 1
        return (-most if self.symmetric else -most - 1), most

    def parameters(self, values: ValueRange) -> QuantizationParameters:
        """Scale and zero point with which codes reach the ends of `values`, in float32 steps as docs/numerics.md
        ("Dynamic quantization") has them for rows. A scale that would be 0, of a range that is all 0 or too small for
        float32, is 1."""
        qmin, qmax = self.codes
        low, high = np.float32(values.low), np.float32(values.high)
        if self.symmetric:
            scale = max(-low, high) / np.float32(qmax)
            return QuantizationParameters(float(scale) or 1.0, 0, -qmax - 1, qmax)
        with np.errstate(over="ignore"):
            span = np.minimum(high - low, np.finfo(np.float32).max)
        scale = np.float32(span / np.float32(qmax - qmin)) or np.float32(1)
        steps = int(np.clip(np.rint(-low / scale), 0, qmax - qmin))
        return QuantizationParameters(float(scale), steps + qmin, qmin, qmax)
