"""How long runs take: warmed up until stable, timed one by one by the timer of sweeps, within a budget of seconds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from immabench.measure.statistics import median_interval
from immabench.measure.timer import CpuTimer, Criterion, Launch, Timing, clock_ns, wall_us

LEAST_WARM = 3
STABLE = 0.05
"""Runs are stable when the median of three differs from that of the three before by no more than this share."""

LEAST_RUNS_OF_ONE = 20
"""Timed runs at batch 1, whatever the budget."""

LEAST_RUNS = 8
"""At larger batches: of fewer the median has no interval."""

MOST_RUNS = 20_000


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a run: quantiles, and the interval of the median (`measure.statistics.median_interval`).

    A quantile q that fewer than 1 / (1 - q) runs cannot show is None.
    """

    p50: float
    interval: tuple[float, float] | None
    p90: float | None
    p99: float | None
    runs: int

    @classmethod
    def of(cls, times_us: Sequence[float]) -> Latency:
        """What times in microseconds, in the order they were taken, say."""
        times = [time / 1e3 for time in times_us]
        interval = median_interval(times).interval
        return cls(statistics.median(times), interval, quantile(times, 0.9), quantile(times, 0.99), len(times))


def quantile(values: Sequence[float], share: float) -> float | None:
    """The least of `values` that at least `share` of them do not exceed; None of too few to have one beyond it."""
    count = len(values)
    if count < round(1 / (1 - share)):
        return None
    return sorted(values)[math.ceil(share * count) - 1]


def time_runs(launches: Sequence[Launch], batch: int, seconds: float) -> Timing:
    """Times of single runs over sets of inputs in turn: for `seconds`, and at least 20 at batch 1, 8 beyond."""
    warm_until_stable(launches, seconds)
    least = LEAST_RUNS_OF_ONE if batch == 1 else LEAST_RUNS
    # Noise 0: the whole budget is used, since high quantiles need many runs.
    criterion = Criterion(noise=0.0, max_seconds=seconds, max_samples=MOST_RUNS, least_samples=least)
    return CpuTimer(criterion).time(launches)


def warm_until_stable(launches: Sequence[Launch], seconds: float, clock: Callable[[], int] = clock_ns) -> int:
    """Run until times are stable, at least three times; returns how often. `seconds` limits it, past the first three:
    the first may compile."""
    times: list[float] = []
    start = clock()
    while len(times) < LEAST_WARM or not (_stable(times) or (clock() - start) / 1e9 > seconds):
        times.append(wall_us(launches[len(times) % len(launches)]))
        if len(times) == LEAST_WARM:
            start = clock()
    return len(times)


def _stable(times: Sequence[float]) -> bool:
    """Whether the last three runs took as long as the three before."""
    if len(times) < 2 * LEAST_WARM:
        return False
    before, now = statistics.median(times[-6:-3]), statistics.median(times[-3:])
    return abs(now - before) <= STABLE * before
