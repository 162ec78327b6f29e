"""What every timer does alike: warm-up, launches over rotated operands, a stop when the median is known well enough.

`CpuTimer` reads the wall clock around each launch; the timers of a GPU are in `cuda_timer` and `nvbench_timer`, and
`timers` chooses. All take one launch a sample and keep every raw sample.
"""

from __future__ import annotations

import ctypes
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from immabench.errors import ImmabenchError
from immabench.measure.telemetry import Summary

Launch = Callable[[], None]
StoppedBy = Literal["", "noise", "samples", "seconds"]
"""Why sampling ended: the median was known well enough, or a limit came first. Empty: it has not ended."""

WALL_CLOCK = "wall clock"

clock_ns = time.perf_counter_ns
"""Taken here, before any provider is loaded: a clock patched later is not the timer's."""

CACHE_MULTIPLE = 3
"""How many times the last-level cache is touched before a launch sees the same operands again."""

MAX_OPERAND_SETS = 64
"""Problems so small that more sets were needed get the rest of the traffic from a ballast read between launches."""


@dataclass(frozen=True)
class Criterion:
    """When to stop: the standard error of the median below `noise` of it after the minimum, or at a limit.

    The minimum in seconds keeps a burst of equal samples within one time slice of the system from deciding.
    """

    noise: float = 0.01
    min_samples: int = 10
    min_seconds: float = 0.05
    max_samples: int = 2000
    max_seconds: float = 0.5
    least_samples: int = 3
    """Taken whatever the limits."""

    def stopped_by(self, times_us: Sequence[float], elapsed_seconds: float) -> StoppedBy:
        """Why the samples so far suffice, empty while they do not."""
        if len(times_us) < self.least_samples:
            return ""
        minimum = len(times_us) >= self.min_samples and elapsed_seconds >= self.min_seconds
        if minimum and median_noise(times_us) <= self.noise:
            return "noise"
        if len(times_us) >= self.max_samples:
            return "samples"
        return "seconds" if elapsed_seconds >= self.max_seconds else ""


@dataclass(frozen=True)
class Timing:
    """Raw times of single launches in microseconds; `discarded` were taken while the device was throttled."""

    times_us: tuple[float, ...]
    l2_state: str
    discarded: int = 0
    gpu: Summary = field(default_factory=Summary)
    distrust: str = ""
    """Why these times cannot be believed, where something speaks against them."""
    stopped_by: StoppedBy = ""
    timed_by: str = WALL_CLOCK
    """The clock: "wall clock", "cuda events" or "nvbench <version>"."""
    batched_us: float | None = None
    """Mean time of launches queued back to back on a GPU, None where that was not measured."""

    @property
    def median_us(self) -> float:
        """The median time of a launch."""
        return statistics.median(self.times_us)

    @property
    def iqr_us(self) -> float:
        """The interquartile range of the times."""
        return interquartile_range(self.times_us)

    @property
    def noise(self) -> float:
        """The relative standard error of the median, as `Criterion.noise` limits it."""
        return median_noise(self.times_us)


class Timer(Protocol):
    """Times launches that do the same work on different operand sets."""

    def time(self, launches: Sequence[Launch]) -> Timing:
        """Rotate over `launches` until the criterion is met; each is one operand set."""


def interquartile_range(values: Sequence[float]) -> float:
    """The distance between the quartiles, 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def median_noise(times: Sequence[float]) -> float:
    """Relative standard error of the median, with the spread taken from the quartiles so that outliers do not decide.

    For a normal distribution the interquartile range is 1.349 sigma and the median's error 1.253 sigma / sqrt(n).
    """
    middle = statistics.median(times)
    if middle <= 0:
        return math.inf
    return 1.253 * interquartile_range(times) / 1.349 / math.sqrt(len(times)) / middle


def operand_sets(footprint_bytes: int, cache_bytes: int) -> int:
    """How many operand sets of `footprint_bytes` to rotate over, at most `MAX_OPERAND_SETS`."""
    return max(1, min(MAX_OPERAND_SETS, math.ceil(CACHE_MULTIPLE * cache_bytes / footprint_bytes)))


def ballast_bytes(footprint_bytes: int, cache_bytes: int) -> int:
    """Bytes to read between two launches so that a full rotation touches `CACHE_MULTIPLE` times the cache."""
    share = math.ceil(CACHE_MULTIPLE * cache_bytes / operand_sets(footprint_bytes, cache_bytes))
    return max(0, share - footprint_bytes)


class Ballast:
    """Memory read between launches, outside the timed window, to push small operands out of the cache."""

    def __init__(self, bytes_between: int) -> None:
        # Written, not np.zeros: pages nobody wrote are all the kernel's one zero page, and push nothing out.
        self._values = np.ones(bytes_between // 8, np.int64)

    def touch(self) -> None:
        """Read all of it once."""
        if self._values.size:
            self._values.max()


class CpuTimer:
    """Wall clock around each launch; the ballast is read before it."""

    def __init__(self, criterion: Criterion, ballast: Ballast | None = None) -> None:
        self._criterion = criterion
        self._ballast = ballast or Ballast(0)

    def time(self, launches: Sequence[Launch]) -> Timing:
        warm_up(launches, self._criterion.max_seconds)
        times: list[float] = []
        witness = ClockWitness()
        start = clock_ns()
        while not (stopped := self._criterion.stopped_by(times, (clock_ns() - start) / 1e9)):
            self._ballast.touch()
            times.append(wall_us(launches[len(times) % len(launches)]))
        distrust = witness.contradicts((clock_ns() - start) / 1e9)
        return Timing(tuple(times), "rotated", distrust=distrust, stopped_by=stopped)


def warm_up(launches: Sequence[Launch], max_seconds: float) -> None:
    """Launch on every set once: first touches of memory and lazy initialisation are not timed.

    At least two launches; past them no more than `max_seconds`.
    """
    start = clock_ns()
    for count, launch in enumerate([*launches, launches[0]]):
        if count >= 2 and (clock_ns() - start) / 1e9 > max_seconds:
            return
        launch()


def wall_us(launch: Launch) -> float:
    """Microseconds of wall clock around a launch that returns when its work is done."""
    start = clock_ns()
    launch()
    return (clock_ns() - start) / 1e3


class ClockWitness:
    """A second clock beside the timer's: the system's own, asked without Python's time module.

    A clock that was patched, or stood still while the machine slept, disagrees with it.
    """

    TOLERANCE = 0.02
    SLACK_SECONDS = 0.005
    """Reading two clocks takes a moment, in which a busy machine may do something else."""

    def __init__(self) -> None:
        self._start = self._now()

    def contradicts(self, elapsed_seconds: float) -> str:
        """Why `elapsed_seconds` since this object was made cannot be right; empty when they can."""
        seen = self._now() - self._start
        if abs(seen - elapsed_seconds) <= self.TOLERANCE * seen + self.SLACK_SECONDS:
            return ""
        return f"the timer's clock counted {elapsed_seconds:.3g} s while the system's counted {seen:.3g} s"

    @staticmethod
    def _now() -> float:
        spec = _TimeSpec()
        if _clock_gettime(_CLOCK_MONOTONIC_RAW, ctypes.byref(spec)):
            raise ImmabenchError("the system has no raw monotonic clock", "time on Linux")
        return float(spec.seconds + spec.nanoseconds / 1e9)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_CLOCK_MONOTONIC_RAW = 4  # <bits/time.h>
_clock_gettime = ctypes.CDLL(None).clock_gettime
