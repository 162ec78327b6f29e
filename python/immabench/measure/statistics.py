"""Intervals for medians of times, for their ratios, and the verdicts drawn from them. Pure functions of the samples.

Samples of one run are not independent: clocks drift, other work comes and goes, a chip throttles for a while. A method
that takes them for independent (a bootstrap over samples, the textbook interval of the median) believes n samples to be
n facts and gives intervals that are too narrow. Here samples in time order are cut into contiguous batches; a batch's
median is one fact. What lasts longer than a batch spreads the batch medians, and so widens the interval.

Limits are order statistics of the batch medians (David & Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1): no
distribution is assumed and nothing is drawn at random, so the same samples give the same interval everywhere.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.99
"""Of every interval."""

THRESHOLD = 0.02
"""Time ratios closer to 1 than this count as the same: two runs of one build may differ by it."""

BATCHES = 32
"""Contiguous batches a run is cut into. The 99 % limits leave out 8 of 32 on either side, so that one episode of
throttling over a fifth of the run does not become a limit; of 20 they would leave out 3."""

Verdict = Literal["SLOWER", "FASTER", "SAME", "INCONCLUSIVE"]


@dataclass(frozen=True)
class Estimate:
    """A value and its interval `(low, high)` at `CONFIDENCE`; where no interval can be given, None and the `reason`."""

    value: float
    interval: tuple[float, float] | None
    reason: str = ""


def median_interval(values: Sequence[float], batches: int = BATCHES) -> Estimate:
    """The median of the batch medians of `values`, which are in the order they were taken, in the unit of `values`.

    At least 8 values are needed: of fewer, not even the range covers the median with 99 %.
    """
    if not values:
        return Estimate(math.nan, None, "no samples")
    medians = sorted(batch_medians(values, batches))
    middle, ranks = statistics.median(medians), interval_ranks(len(medians))
    if ranks is None:
        return Estimate(
            middle, None, f"{len(medians)} samples are too few for an interval, {least_samples()} are needed"
        )
    return Estimate(middle, (medians[ranks[0] - 1], medians[ranks[1] - 1]))


def batch_medians(values: Sequence[float], batches: int = BATCHES) -> list[float]:
    """The medians of `batches` contiguous parts of `values`, equal to within one; of fewer values, each its own."""
    count = min(batches, len(values))
    edges = [len(values) * index // count for index in range(count + 1)]
    return [statistics.median(values[low:high]) for low, high in itertools.pairwise(edges)]


@functools.cache
def interval_ranks(count: int, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Ranks (from 1) of the order statistics that enclose the median of `count` independent values; None if none do.

    The narrowest symmetric pair (r, count + 1 - r): the chance that fewer than r values lie on one side of the median
    is that of fewer than r heads in `count` tosses, for both sides at most 1 - confidence.
    """
    rank, heads = 0, 0
    while rank < count / 2:
        heads += math.comb(count, rank)
        if 2 * heads / 2**count > 1 - confidence:
            break
        rank += 1
    return (rank, count + 1 - rank) if rank else None


@functools.cache
def least_samples(confidence: float = CONFIDENCE) -> int:
    """The fewest samples that have an interval: 8 at 99 %."""
    return next(count for count in range(2, 1000) if interval_ranks(count, confidence))


def ratio_interval(times_a: Sequence[float], times_b: Sequence[float], batches: int = BATCHES) -> Estimate:
    """The ratio of medians, B / A, of two independent runs, each in the order it was taken; any one unit of time.

    The intervals of both log medians are combined by MOVER, the method of variance estimates recovery: with estimates
    a, b and limits (l, u), the lower limit of b - a is b - a - sqrt((b - l_b)^2 + (u_a - a)^2), the upper one likewise
    with the other two. Zou & Donner, "Construction of confidence limits about effect measures: A general approach",
    Statistics in Medicine 27 (2008) 1693-1702, doi:10.1002/sim.3095. An asymmetric interval stays asymmetric.
    """
    a, b = _log_median("A", times_a, batches), _log_median("B", times_b, batches)
    value = math.exp(b.value - a.value)
    if a.interval is None or b.interval is None:
        return Estimate(value, None, "; ".join(filter(None, (a.reason, b.reason))))
    (low_a, high_a), (low_b, high_b) = a.interval, b.interval
    below = math.hypot(b.value - low_b, high_a - a.value)
    above = math.hypot(high_b - b.value, a.value - low_a)
    return Estimate(value, (value * math.exp(-below), value * math.exp(above)))


def paired_ratio_interval(log_ratios: Sequence[float], batches: int = BATCHES) -> Estimate:
    """The ratio B / A from log ratios of launches taken next to each other, in the order they were taken."""
    found = median_interval(log_ratios, batches)
    if found.interval is None:
        return Estimate(math.exp(found.value), None, found.reason)
    return Estimate(math.exp(found.value), (math.exp(found.interval[0]), math.exp(found.interval[1])))


T_99 = (63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169)
"""Two-sided 99 % points of Student's t for 1 to 10 degrees of freedom; more count as 10, which errs on the wide side.
NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2."""


def runs_ratio_interval(medians_a: Sequence[float], medians_b: Sequence[float]) -> Estimate:
    """The ratio B / A from the medians of repeated runs of each side; what differs between runs is in the interval.

    Welch's interval for the difference of means of log medians (Welch, Biometrika 34 (1947) 28-35), degrees of freedom
    rounded down: runs are few, and nothing without an assumption on their distribution has 99 % from three.
    """
    sides = [[math.log(time) for time in medians] for medians in (medians_a, medians_b)]
    value = math.exp(statistics.fmean(sides[1]) - statistics.fmean(sides[0]))
    if min(map(len, sides)) < 2:
        return Estimate(value, None, "repeated runs are needed on both sides, or on neither")
    errors = [statistics.variance(side) / len(side) for side in sides]
    if not sum(errors):
        return Estimate(value, (value, value))
    freedom = sum(errors) ** 2 / sum(error**2 / (len(side) - 1) for error, side in zip(errors, sides, strict=True))
    half = T_99[min(int(freedom), len(T_99)) - 1] * math.sqrt(sum(errors))
    return Estimate(value, (value * math.exp(-half), value * math.exp(half)))


def judge(ratio: Estimate, threshold: float = THRESHOLD) -> tuple[Verdict, str]:
    """The verdict on B from the time ratio B / A, and for INCONCLUSIVE the reason; else the reason is empty.

    "Same" is [1 / (1 + threshold), 1 + threshold]: symmetric in the logarithm, so that swapping A and B turns SLOWER
    into FASTER and changes nothing else. A verdict needs the whole interval on its side of the limits.
    """
    if ratio.interval is None:
        return "INCONCLUSIVE", ratio.reason
    (low, high), slow, fast = ratio.interval, 1 + threshold, 1 / (1 + threshold)
    if low > slow:
        return "SLOWER", ""
    if high < fast:
        return "FASTER", ""
    if fast <= low and high <= slow:
        return "SAME", ""
    crossed = " and ".join(f"{limit:.4g}" for limit in (fast, slow) if low < limit < high)
    return "INCONCLUSIVE", f"the interval reaches across {crossed}"


def half_width(ratio: Estimate) -> float:
    """Half the width of a ratio's interval on log scale, about the relative one; infinite without an interval."""
    return math.inf if ratio.interval is None else math.log(ratio.interval[1] / ratio.interval[0]) / 2


def geometric_mean(ratios: Sequence[float]) -> float:
    """The geometric mean of positive ratios, 1 of none: the one mean whose inverse is the mean of the inverses."""
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else 1.0


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation of two equally long series, ties given their mean rank; None where one is constant.

    Spearman, The Proof and Measurement of Association between Two Things, 1904.
    """
    a, b = _ranks(first), _ranks(second)
    return statistics.correlation(a, b) if len(set(a)) > 1 and len(set(b)) > 1 else None


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values]


def _log_median(name: str, times: Sequence[float], batches: int) -> Estimate:
    """The log of the median and of its limits; the logarithm is monotone, so limits stay limits."""
    if not all(0 < time < math.inf for time in times):
        return Estimate(math.nan, None, f"{name}: a time that is not positive and finite")
    found = median_interval(times, batches)
    if found.interval is None:
        return Estimate(math.log(found.value), None, f"{name}: {found.reason}")
    return Estimate(math.log(found.value), (math.log(found.interval[0]), math.log(found.interval[1])))
