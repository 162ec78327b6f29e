"""Time and rate over M where rows share everything else, and where a small step of M costs much.

A dispatcher that changes its kernel above some M, or a tile that is just exceeded, shows as a cliff: the time grows
much more than the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log, prod
from typing import TYPE_CHECKING

from immabench.readable import RateUnit, rate_unit
from immabench.report.palette import Series, looks, series_of
from immabench.report.places import stack
from immabench.report.speed import shorten, timed_ok
from immabench.report.uses import SHARED

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.problems import Problem

CLIFF = 1.2
"""Between neighbouring M a jump: the time grows this many times as much as M does, so the rate falls as much."""
LEAST_SIZES = 3
"""Values of M from which on a line says something."""
MOST_SWEEPS = 8
"""Pictures of a run, those with the worst jumps."""


@dataclass(frozen=True)
class Step:
    """The fastest row of a series at one M."""

    row: Row

    @property
    def m(self) -> int:
        return self.row.m

    @property
    def microseconds(self) -> float:
        assert self.row.time_us_median is not None
        return self.row.time_us_median

    @property
    def tops(self) -> float:
        """In 1e12 operations/s."""
        return 2.0 * prod(self.row.sizes) / self.microseconds / 1e6


@dataclass(frozen=True)
class Jump:
    """From one M to the next: how many times as long it takes, and how many times more than M alone explains."""

    series: Series
    before: Step
    after: Step

    @property
    def time_ratio(self) -> float:
        return self.after.microseconds / self.before.microseconds

    @property
    def excess(self) -> float:
        return self.time_ratio * self.before.m / self.after.m

    @property
    def text(self) -> str:
        return f"×{self.time_ratio:.1f} at M={self.after.m}, {self.series.label}"


@dataclass(frozen=True)
class Line:
    """One series over M, ascending."""

    series: Series
    steps: tuple[Step, ...]

    @property
    def jumps(self) -> list[Jump]:
        found = [Jump(self.series, before, after) for before, after in pairwise(self.steps)]
        return [jump for jump in found if jump.excess > CLIFF]

    @property
    def switches(self) -> list[Step]:
        """Where another kernel is the fastest than at the M before."""
        return [after for before, after in pairwise(self.steps) if after.row.kernel_id != before.row.kernel_id]


@dataclass(frozen=True)
class Sweep:
    """Lines over M of one N, K and epilogue on one device."""

    name: str
    device: str
    device_kind: str
    n: int
    k: int
    case: str
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        case = f" ({shorten(self.case)})" if self.case else ""
        return f"Time and rate over M at N={self.n}, K={self.k}{case}"

    @property
    def sizes(self) -> list[int]:
        return sorted({step.m for line in self.lines for step in line.steps})

    @property
    def span(self) -> tuple[float, float]:
        """Range of the axis of M, a logarithmic one."""
        return self.sizes[0] / 1.2, self.sizes[-1] * 1.2

    @property
    def ticks(self) -> list[int]:
        """Powers of two: neighbours such as 16 and 17 have no room for two numbers."""
        low, high = self.span
        return [2**exponent for exponent in range(32) if low <= 2**exponent <= high] or self.sizes

    @property
    def unit(self) -> RateUnit:
        return rate_unit(step.tops for line in self.lines for step in line.steps)

    @property
    def note(self) -> str:
        """How to read the marks that the picture has."""
        said = []
        if self.worst_jumps:
            said.append(f"Ring: time grew over {CLIFF:g} times as much as M; the worst at each M in words.")
        if any(line.switches for line in self.lines):
            said.append("Bar: another kernel is the fastest from here on.")
        return " ".join(said)

    @property
    def worst_jumps(self) -> list[Jump]:
        """The worst jump at each M, ascending: those that get words."""
        worst: dict[int, Jump] = {}
        for jump in (jump for line in self.lines for jump in line.jumps):
            if jump.after.m not in worst or jump.excess > worst[jump.after.m].excess:
                worst[jump.after.m] = jump
        return [worst[m] for m in sorted(worst)]


@dataclass(frozen=True)
class Callout:
    """The words for a jump: centred at a share `x` of the width, `level` lines above the plot, 0 the lowest."""

    text: str
    x: float
    level: int


def callouts(sweep: Sweep, letters: float) -> list[Callout]:
    """Over the M of each jump that gets words, on a plot as wide as so many letters; none on another, none outside."""
    low, high = sweep.span
    texts = [jump.text for jump in sweep.worst_jumps]
    widths = [(len(text) + 3) / letters for text in texts]
    middles = [log(jump.after.m / low) / log(high / low) for jump in sweep.worst_jumps]
    places = [min(max(x, width / 2), 1 - width / 2) for x, width in zip(middles, widths, strict=True)]
    return [Callout(*one) for one in zip(texts, places, stack(places, widths), strict=True)]


def sweeps_over_m(rows: Iterable[Row]) -> list[Sweep]:
    """Of every problem that was timed at several M but is otherwise the same, the worst cliff first."""
    groups: dict[tuple[str, str, Problem], list[Row]] = {}
    for row in timed_ok(rows):
        if row.provider != "reference" and not row.conv:
            groups.setdefault((row.device_kind, row.device, _without_m(row)), []).append(row)
    wide = [of for of in groups.values() if len({row.m for row in of}) >= LEAST_SIZES]
    found = sorted(map(_sweep, wide), key=_worst, reverse=True)
    return [_named(one, place, found) for place, one in enumerate(found)]


def _without_m(row: Row) -> Problem:
    """What was asked for, of an older row what it computed, of one M for all."""
    return replace(row.asked_problem or row.problem, m=1)


def _sweep(rows: list[Row]) -> Sweep:
    by_series: dict[Series, dict[int, Row]] = {}
    for row in sorted(rows, key=lambda row: (row.m, row.time_us_median or 0.0)):
        by_series.setdefault(series_of(row), {}).setdefault(row.m, row)
    lines = tuple(Line(series, tuple(map(Step, by_series[series].values()))) for series in looks(by_series))
    first, cases = rows[0], dict.fromkeys(name for row in rows for name in row.case.split(SHARED))
    case = next(iter(cases)) if len(cases) == 1 else ""
    name = f"{first.device_kind}_n{first.n}_k{first.k}"
    return Sweep(name, first.device, first.device_kind, first.n, first.k, case, lines)


def _named(one: Sweep, place: int, found: list[Sweep]) -> Sweep:
    """Epilogues differ behind one N and K: a number tells their pictures apart."""
    before = sum(other.name == one.name for other in found[:place])
    return replace(one, name=f"{one.name}_{before + 1}") if before else one


def _worst(one: Sweep) -> tuple[float, int]:
    return max((jump.excess for line in one.lines for jump in line.jumps), default=0.0), one.n * one.k
