"""What is known of a tensor's values after some were seen: all that calibrators ask for, gathered in one pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from immabench.quantize.histogram import Histogram
from immabench.quantize.schemes import ValueRange

AVERAGING = 0.01
"""Weight of a batch in the moving average, torch's default."""


@dataclass
class Observer:
    """Statistics of every value seen so far; memory does not grow with their number.

    `low` and `high` are the ends of all finite values and 0, `average_low` and `average_high` moving averages of the
    ends of each batch, the first of which counts in full; `not_finite` counts what is left out of all of these.
    """

    low: float = 0.0
    high: float = 0.0
    average_low: float = 0.0
    average_high: float = 0.0
    batches: int = 0
    not_finite: int = 0
    histogram: Histogram = field(default_factory=Histogram)

    @torch.no_grad()
    def observe(self, values: torch.Tensor) -> None:
        """Take in a batch of floats of any type and shape; an empty one changes nothing."""
        finite = self._finite(values.detach().float())
        if not finite.numel():
            return
        low, high = (float(end) for end in torch.aminmax(finite))
        low, high = min(low, 0.0), max(high, 0.0)
        self.low, self.high = min(self.low, low), max(self.high, high)
        weight = AVERAGING if self.batches else 1.0
        self.average_low += weight * (low - self.average_low)
        self.average_high += weight * (high - self.average_high)
        self.batches += 1
        self.histogram.add(finite, max(-low, high))

    @property
    def seen(self) -> ValueRange:
        """The ends of all values."""
        return ValueRange(self.low, self.high)

    @property
    def averaged(self) -> ValueRange:
        """The moving averages of the ends of batches."""
        return ValueRange(self.average_low, self.average_high)

    def _finite(self, values: torch.Tensor) -> torch.Tensor:
        """The finite ones. A sum that is finite shows that all are, without a mask."""
        if values.numel() and math.isfinite(float(values.sum())):
            return values
        finite = values[torch.isfinite(values)]
        self.not_finite += values.numel() - finite.numel()
        return finite
