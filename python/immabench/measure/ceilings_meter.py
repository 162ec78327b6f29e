"""How a ceiling is timed: by the one timer, with criteria of its own, into an entry of the ceilings dictionary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from immabench.measure.timer import Criterion, Launch, Timing
from immabench.measure.timers import make_timer

Unit = Literal["1e12 operations/s", "1e9 bytes/s"]
By = Literal["torch", "immabench"]
SCALE: dict[Unit, float] = {"1e12 operations/s": 1e12, "1e9 bytes/s": 1e9}

CRITERION = Criterion(noise=0.01, min_samples=5, min_seconds=0.05, max_samples=30, max_seconds=0.22)
"""A ceiling is the best of several: none of them has to be known to more than 1 %."""

GLANCE = Criterion(min_samples=3, min_seconds=0.0, max_samples=3)
"""For finding out how much work makes a launch of the wanted length."""


@dataclass(frozen=True)
class Meter:
    """Times launches on one device kind. `time` stands for the one timer, so that tests can give times of their own."""

    device: str
    criterion: Criterion = CRITERION
    time: Callable[[str, Criterion, Launch], Timing] | None = None

    def measure(self, launch: Launch) -> Timing:
        """Time a launch until its median is known well enough."""
        return self._time(launch, self.criterion)

    def units_for(self, seconds: float, launch: Callable[[int], None], glance: int) -> int:
        """How many units of work make `launch(units)` last so long, judged by launches of `glance` units."""
        taken = self._time(lambda: launch(glance), GLANCE).median_us * 1e-6
        return max(1, round(glance * seconds / taken)) if taken > 0 else glance

    def _time(self, launch: Launch, criterion: Criterion) -> Timing:
        if self.time is not None:
            return self.time(self.device, criterion, launch)
        return make_timer(self.device, criterion).time([launch])


def timed(timing: Timing, work: float, unit: Unit, by_fastest: bool) -> dict[str, Any]:
    """The fields that follow from a timing of `work` operations or bytes a launch.

    A library's rate is that of its median call, as rows are. What stands for the hardware is its fastest launch: other
    work on the machine can slow a loop of fixed work down, and nothing can speed it up.
    """
    fastest = min(timing.times_us)
    return {
        "median_us": timing.median_us,
        "best_us": fastest,
        "worst_us": max(timing.times_us),
        "samples": len(timing.times_us),
        "rate": work / ((fastest if by_fastest else timing.median_us) * 1e-6) / SCALE[unit],
        "unit": unit,
        "distrust": timing.distrust,
    }


def size_entry(what: str, by: By, size: int, timing: Timing, work: float, unit: Unit) -> dict[str, Any]:
    """One measured size of the ceiling `what`; `by` is what did the work."""
    return {"what": what, "by": by, "size": size, **timed(timing, work, unit, by_fastest=by == "immabench")}
