"""From what was observed of a tensor to the range that its codes are to reach: six ways, by name.

min-max and the moving average keep outliers; the others cut the range where that costs less than it wins, by a fixed
share of the values (percentile), by the mean squared error of quantization (mse, histogram) or by the information lost
(entropy). What they decide by is the one histogram of `Observer`, so that all can be compared after one pass.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError
from immabench.quantize.histogram import Histogram
from immabench.quantize.observer import Observer
from immabench.quantize.schemes import QuantizationParameters, TensorScheme, ValueRange

PERCENTILE = 99.99
"""Of the values that stay within the range."""

CANDIDATES = 128
"""Ranges that `mse` tries from none of the values' to all, then again between the neighbours of the best."""

ENTROPY_BINS, ENTROPY_CUTS = 4096, 512
"""Bins of magnitudes that `entropy` looks at, and how many of their ends it tries, in geometric steps."""

Counts = NDArray[np.float64]


def minmax(observer: Observer, _: TensorScheme) -> ValueRange:
    """All values."""
    return observer.seen


def moving_average(observer: Observer, _: TensorScheme) -> ValueRange:
    """Moving averages of the ends of batches (Jacob et al. 2018, arXiv:1712.05877, section 3.1)."""
    return observer.averaged


def percentile(observer: Observer, scheme: TensorScheme) -> ValueRange:
    """`PERCENTILE` of the values: of the magnitudes for a symmetric scheme, else half of the rest cut at either end.

    Within a bin values count as spread evenly.
    """
    share, histogram = PERCENTILE / 100, observer.histogram
    if scheme.symmetric:
        magnitude = _quantile(_magnitudes(histogram), share) * histogram.width
        return _within(observer, -magnitude, magnitude)
    ends = (_quantile(histogram.counts, cut) for cut in ((1 - share) / 2, (1 + share) / 2))
    low, high = ((end - len(histogram.counts) // 2) * histogram.width for end in ends)
    return _within(observer, low, high)


def mse(observer: Observer, scheme: TensorScheme) -> ValueRange:
    """The range with the least squared error of quantization, of those that are the values' own, both ends scaled by
    one factor (Banner et al. 2019, arXiv:1810.05723, cut by clipping alone)."""
    counted = _Counted(observer)
    factors = np.arange(1, CANDIDATES + 1) / CANDIDATES
    for _ in range(2):
        errors = [counted.error(scheme, _scaled(observer, factor)) for factor in factors]
        best, step = float(factors[int(np.argmin(errors))]), float(factors[-1] - factors[-2])
        factors = np.clip(np.linspace(best - step, best + step, CANDIDATES // 4 + 1), step / CANDIDATES, 1)
    return _scaled(observer, best)


def histogram(observer: Observer, scheme: TensorScheme) -> ValueRange:
    """As `mse`, but each end is moved by itself, in turns, until neither gains: for values that lie to one side."""
    found = mse(observer, scheme)
    if scheme.symmetric:
        return found
    counted = _Counted(observer)
    least = counted.error(scheme, found)
    for _ in range(8):
        before = least
        for move in (_moved_low, _moved_high):
            moved = [move(observer, found, factor) for factor in np.arange(CANDIDATES + 1) / CANDIDATES]
            errors = [counted.error(scheme, one) for one in moved]
            if min(errors) < least:
                least, found = min(errors), moved[int(np.argmin(errors))]
        if least == before:
            break
    return found


def entropy(observer: Observer, scheme: TensorScheme) -> ValueRange:
    """The magnitude to cut at that loses the least information (Migacz, "8-bit inference with TensorRT", GTC 2017).

    For each, the magnitudes below with those beyond added to the last bin that is not empty are compared, by
    Kullback-Leibler divergence, with what codes can tell apart of those below: bins of a code share its count, empty
    ones stay so. A cut leaves at least a bin for each code.

    0 is a code wherever the cut is, and of what a ReLU gives it is half or more: counted, it would outweigh what
    cutting loses. So the first bin counts as many as the second (as NVIDIA's pytorch-quantization has it).
    """
    counts = _magnitudes(observer.histogram).reshape(ENTROPY_BINS, -1).sum(axis=1)
    counts[0] = counts[1]
    width = observer.histogram.width * (len(observer.histogram.counts) // 2 // ENTROPY_BINS)
    codes = _codes_of_magnitudes(observer, scheme)
    if not counts.any():
        return observer.seen
    cuts = np.unique(np.rint(np.geomspace(codes, ENTROPY_BINS, ENTROPY_CUTS)).astype(int))
    losses = [_divergence(counts, int(cut), codes) for cut in cuts]
    magnitude = float(cuts[int(np.argmin(losses))]) * width
    return _within(observer, -magnitude, magnitude)


Calibrator = Callable[[Observer, TensorScheme], ValueRange]

CALIBRATORS: dict[str, Calibrator] = {
    "minmax": minmax,
    "moving-average": moving_average,
    "percentile": percentile,
    "mse": mse,
    "histogram": histogram,
    "entropy": entropy,
}


def calibrate(observer: Observer, scheme: TensorScheme, calibrator: str) -> QuantizationParameters:
    """Scale and zero point of an observed tensor.

    Raises UsageError for an unknown calibrator, for an observer that saw nothing, and for one that saw NaN or infinity.
    """
    if calibrator not in CALIBRATORS:
        raise UsageError(f"unknown calibrator {calibrator!r}", f"choose one of {', '.join(CALIBRATORS)}")
    if observer.not_finite:
        raise UsageError(f"{observer.not_finite} values are NaN or infinite", "look at the weights and the data")
    if not observer.batches:
        raise UsageError("no values were observed", "calibrate with at least one batch")
    return scheme.parameters(CALIBRATORS[calibrator](observer, scheme))


class _Counted:
    """The values of an observer as its bins' middles, and what they lose to quantization."""

    def __init__(self, observer: Observer) -> None:
        present = np.flatnonzero(observer.histogram.counts)
        self._values = observer.histogram.centres[present]
        self._counts = observer.histogram.counts[present].astype(np.float64)

    def error(self, scheme: TensorScheme, values: ValueRange) -> float:
        """The sum of squared differences. What values lie within their bins is the same for all ranges."""
        with_ = scheme.parameters(values)
        codes = np.clip(np.rint(self._values / with_.scale) + with_.zero_point, with_.qmin, with_.qmax)
        differences = (codes - with_.zero_point) * with_.scale - self._values
        return float(np.dot(self._counts, differences * differences))


def _codes_of_magnitudes(observer: Observer, scheme: TensorScheme) -> int:
    """How many codes there are for magnitudes, that of 0 among them: all where zero points move and no sign changes."""
    qmin, qmax = scheme.codes
    one_sided = not scheme.symmetric and (observer.low == 0 or observer.high == 0)
    return qmax - qmin + 1 if one_sided else qmax + 1


def _magnitudes(histogram: Histogram) -> Counts:
    """Counts of |x| by bins of the same width: bin -1 - i of the negative side is bin i."""
    half = len(histogram.counts) // 2
    folded: Counts = (histogram.counts[half:] + histogram.counts[:half][::-1]).astype(np.float64)
    return folded


def _quantile(counts: NDArray[np.generic], share: float) -> float:
    """How many bins, and which part of the next, hold a share of the counts."""
    reached = np.cumsum(counts, dtype=np.float64)
    wanted = share * reached[-1]
    place = int(np.searchsorted(reached, wanted))
    before = float(reached[place - 1]) if place else 0.0
    inside = float(reached[place]) - before
    return place + ((wanted - before) / inside if inside else 0.0)


def _within(observer: Observer, low: float, high: float) -> ValueRange:
    """A range cut off at the ends of the values, and reaching 0."""
    return ValueRange(float(min(max(low, observer.low), 0.0)), float(max(min(high, observer.high), 0.0)))


def _scaled(observer: Observer, factor: float) -> ValueRange:
    return ValueRange(observer.low * factor, observer.high * factor)


def _moved_low(observer: Observer, found: ValueRange, factor: float) -> ValueRange:
    return ValueRange(observer.low * factor, found.high)


def _moved_high(observer: Observer, found: ValueRange, factor: float) -> ValueRange:
    return ValueRange(found.low, observer.high * factor)


def _divergence(counts: Counts, cut: int, codes: int) -> float:
    """Of a cut behind so many bins; infinite where all of them are empty."""
    kept = counts[:cut]
    full = np.flatnonzero(kept)
    if not len(full):
        return float("inf")
    reference = kept.copy()
    reference[full[-1]] += counts[cut:].sum()
    starts = np.arange(codes) * cut // codes
    shared = np.add.reduceat(kept, starts) / np.maximum(np.add.reduceat((kept > 0).astype(np.float64), starts), 1)
    coarse = np.repeat(shared, np.diff([*starts, cut])) * (kept > 0)
    present = reference > 0
    p, q = reference[present] / reference.sum(), coarse[present] / coarse.sum()
    return float(np.sum(p * np.log(p / q)))
