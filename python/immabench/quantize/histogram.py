"""A histogram that takes values as they come: its bins are doubled whenever they no longer reach, and none is lost."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

HALF = 8192
"""Bins on either side of 0. The widest side fills at least half of them, 32 for each code of int8."""

LEAST_EXPONENT = -126
"""Of a bin's width: a power of two that float32 holds with all of its bits."""


class Histogram:
    """Counts of values in `2 * HALF` bins of one width, a power of two, on both sides of 0.

    Bin i holds HALF * -width + i * width <= x < HALF * -width + (i + 1) * width. A power of two as the width makes both
    steps exact: finding a value's bin, and, where values come that lie beyond, doubling the width by adding up pairs of
    bins. So the counts are those of all values at once, in whatever order and batches they came, in the same memory;
    but that a value may come to lie beside 0 if its quotient with the width is below what float32 holds.
    """

    def __init__(self) -> None:
        self._counts = torch.zeros(2 * HALF, dtype=torch.int64)
        self._exponent = LEAST_EXPONENT

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64 [2 * HALF]."""
        counts: NDArray[np.int64] = self._counts.numpy()
        return counts

    @property
    def width(self) -> float:
        """Of a bin."""
        return math.ldexp(1.0, self._exponent)

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin."""
        centres: NDArray[np.float64] = (np.arange(-HALF, HALF, dtype=np.float64) + 0.5) * self.width
        return centres

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self._counts.sum())

    def add(self, values: torch.Tensor, largest: float) -> None:
        """Count finite float32 `values` of any shape, whose largest magnitude is `largest`."""
        self._reach(largest)
        places = values.detach().flatten().mul(math.ldexp(1.0, -self._exponent)).floor_()
        self._counts += torch.bincount(places.to(torch.int32).add_(HALF), minlength=2 * HALF).cpu()

    def merge(self, other: Histogram) -> None:
        """Add the counts of another, as if its values had come here."""
        exponent = max(self._exponent, other._exponent)
        self._widen(exponent)
        moved = Histogram()
        moved._counts, moved._exponent = other._counts.clone(), other._exponent
        moved._widen(exponent)
        self._counts += moved._counts

    def _reach(self, largest: float) -> None:
        """Widen the bins until `largest` lies within the last one on either side."""
        if largest > 0:
            _, exponent = math.frexp(largest)  # largest < 2^exponent
            self._widen(exponent - int(math.log2(HALF)))

    def _widen(self, exponent: int) -> None:
        while self._exponent < exponent:
            if not self._counts.any():
                self._exponent = exponent
                return
            pairs = self._counts.view(HALF, 2).sum(dim=1)
            self._counts.zero_()
            self._counts[HALF // 2 : HALF // 2 + HALF] = pairs
            self._exponent += 1
