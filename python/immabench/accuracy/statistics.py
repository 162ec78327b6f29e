"""How sure an accuracy is, and a difference of two on the same samples. Pure functions of counts.

The same samples are judged by both models, so only those that one of them gets right and the other does not say
anything of the difference: paired methods see differences that intervals of either accuracy alone would hide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of every interval."""

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True)
class Proportion:
    """`count` of `total`, and the interval of what it estimates, as fractions."""

    count: int
    total: int
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """count / total."""
        return self.count / self.total


@dataclass(frozen=True)
class PairedDifference:
    """A model less its reference on the same samples: `gained` only it got right, `lost` only the reference did.

    `interval` is that of the difference of accuracies, a fraction; `p_value` McNemar's exact one, two-sided.
    """

    gained: int
    lost: int
    total: int
    interval: tuple[float, float]
    p_value: float

    @property
    def value(self) -> float:
        """Accuracy less the reference's, a fraction; below 0 is a loss."""
        return (self.gained - self.lost) / self.total

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.interval[0] <= 0 <= self.interval[1]


def proportion(count: int, total: int) -> Proportion:
    """Wilson's score interval (1927, J. Am. Stat. Assoc. 22, 209), which stays within [0, 1] and holds near them."""
    share, square = count / total, _Z**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    reach = _Z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return Proportion(count, total, (max(0.0, centre - reach), min(1.0, centre + reach)))


def paired_difference(
    correct: Sequence[bool] | NDArray[np.bool_], reference: Sequence[bool] | NDArray[np.bool_]
) -> PairedDifference:
    """Compare two models by which of the same samples each got right, [n] booleans.

    The interval is that of Bonett and Price (2012, J. Educ. Behav. Stat. 37, 479): Wald's for matched pairs after one
    was added to each of the two discordant counts, which keeps its coverage where few samples differ.
    """
    ours, theirs = np.asarray(correct, bool), np.asarray(reference, bool)
    if ours.shape != theirs.shape or not ours.size:
        raise ValueError(f"{ours.shape} and {theirs.shape} are not the same samples")
    gained, lost, total = int((ours & ~theirs).sum()), int((theirs & ~ours).sum()), len(ours)
    up, down = (gained + 1) / (total + 2), (lost + 1) / (total + 2)
    reach = _Z * math.sqrt((up + down - (up - down) ** 2) / (total + 2))
    interval = (max(-1.0, up - down - reach), min(1.0, up - down + reach))
    return PairedDifference(gained, lost, total, interval, mcnemar(gained, lost))


def mcnemar(gained: int, lost: int) -> float:
    """How often a fair coin would split so many discordant samples as unevenly, or more (McNemar 1947, exact)."""
    tosses = gained + lost
    tail = ways = 1  # of no heads; exact integers, each from the one before, else thousands of tosses take seconds
    for heads in range(1, min(gained, lost) + 1):
        ways = ways * (tosses - heads + 1) // heads
        tail += ways
    return float(min(1.0, 2 * tail / 2**tosses)) if tosses else 1.0
