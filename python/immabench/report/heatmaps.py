"""Heat maps of measured times: the gain of int8 over a named baseline by M, N and K, what a tile loses by shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from statistics import geometric_mean
from typing import TYPE_CHECKING

from immabench.readable import shape_text
from immabench.report.grids import MOST_SHAPES, Grid
from immabench.report.keys import row_key
from immabench.report.palette import precision_name, series_of
from immabench.report.pictures import left_out
from immabench.report.speed import Timing, shorten, timed_ok

if TYPE_CHECKING:
    from immabench.measure.rows import Row

OWN = "handwritten"
LEAST_SCALE, MOST_SCALE = 1.25, 10.0
"""Bounds of the colours of gains: from 1/x to x. Noise shall not look like a gain, nor one outlier pale all others."""
MOST_LOSS = 3.0
"""A tile that takes so many times as long as the best is as dark as can be."""
MOST_TILES = 40
LEAST_FILLED = 1 / 3
"""Of a grid of M by weights. Below, as in a sweep of squares, shapes stand in one line instead."""


@dataclass(frozen=True)
class Baseline:
    """What int8 is compared with: the fastest row of a precision, of one provider or of any."""

    name: str
    label: str
    precision: str
    provider: str = ""

    def holds(self, one: Timing) -> bool:
        return one.series.precision == self.precision and self.provider in ("", one.series.provider)


BASELINES = (
    Baseline("cublaslt_int8", "cuBLASLt int8", "s8", "cublaslt"),
    Baseline("fp16", "fp16", "f16"),
    Baseline("bf16", "bf16", "bf16"),
    Baseline("fp32", "fp32", "f32"),
)

DEVICES = {"cpu": "the CPU", "cuda": "the GPU"}

Case = tuple[str, str, tuple[int, ...]]
"""(suite, case, sizes)."""


@dataclass(frozen=True)
class Gain:
    """The fastest int8 row of a case, and how many times as fast as its baseline it is."""

    row: Row
    speedup: float


def speedup_grids(found: Iterable[Timing]) -> list[Grid]:
    """A grid a device, suite and baseline; the gains are those of hand-written int8, of any on a device without."""
    groups: dict[tuple[str, str], list[Timing]] = {}
    for one in found:
        if one.series.provider != "reference" and one.row.batch == 1:
            groups.setdefault((one.row.device_kind, one.row.suite), []).append(one)
    made = [_speedups(*group, of, baseline) for group, of in groups.items() for baseline in BASELINES]
    return [grid for grid in made if grid]


def _speedups(kind: str, suite: str, found: list[Timing], baseline: Baseline) -> Grid | None:
    ints = [one for one in found if one.series.precision == "s8"]
    own = [one for one in ints if one.series.provider == OWN]
    if baseline.provider and not own:
        return None  # a library beside itself says nothing
    gains = _gains(own or ints, [one for one in found if baseline.holds(one)])
    if len(gains) < 2:
        return None
    whose = "hand-written" if own else " or ".join(sorted({one.series.provider for one in ints}))
    title = f"Speedup of {whose} int8 over {baseline.label}: {suite or 'shapes'} on {DEVICES.get(kind, kind)}"
    return _by_weights(f"speedup_{kind}_{_slug(suite)}_over_{baseline.name}", title, gains)


def _slug(suite: str) -> str:
    """The name of a suite as a part of a file name; one given by its path loses what does not fit there."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", suite).strip("-") or "shapes"


def _gains(ints: list[Timing], floats: list[Timing]) -> dict[tuple[int, ...], Gain]:
    """The gain of each M, N, K; of several cases of one shape the smallest, so that no picture flatters."""
    fastest, base = _fastest(ints), _fastest(floats)
    gains: dict[tuple[int, ...], Gain] = {}
    for case in (case for case in fastest if case in base):
        one = Gain(fastest[case].row, base[case].microseconds / fastest[case].microseconds)
        if case[2] not in gains or one.speedup < gains[case[2]].speedup:
            gains[case[2]] = one
    return gains


def _fastest(found: list[Timing]) -> dict[Case, Timing]:
    ordered = sorted(found, key=lambda one: -one.microseconds)
    return {(one.row.suite, one.row.case, one.shape): one for one in ordered}


def _by_weights(name: str, title: str, gains: dict[tuple[int, ...], Gain]) -> Grid:
    """Weights (K, then N) down, M across; in one line where most cells would be empty."""
    weights = sorted({(k, n) for _, n, k in gains})
    sizes = sorted({m for m, _, _ in gains})
    if len(gains) < LEAST_FILLED * len(weights) * len(sizes):
        return _in_line(name, title, gains)
    grid = _gain_grid(name, title, [[gains.get((m, n, k)) for m in sizes] for k, n in weights])
    breaks = tuple(i for i in range(1, len(weights)) if weights[i][0] != weights[i - 1][0])
    rows, columns = [f"K={k}  N={n}" for k, n in weights], [str(m) for m in sizes]
    return replace(grid, rows=rows, columns=columns, fields=("weights", "m"), axis_titles=("", "M"), breaks=breaks)


def _in_line(name: str, title: str, gains: dict[tuple[int, ...], Gain]) -> Grid:
    shapes = sorted(sorted(gains, key=prod, reverse=True)[:MOST_SHAPES], key=prod)
    grid = _gain_grid(name, title, [[gains[shape] for shape in shapes]])
    named = replace(grid, rows=["int8"], columns=[shape_text(shape) for shape in shapes])
    meaning = f"{grid.meaning} {left_out(len(gains), len(shapes), 'shapes with most work')}".strip()
    return replace(named, fields=("precision", "shape"), axis_titles=("", "M×N×K"), meaning=meaning)


def _gain_grid(name: str, title: str, lines: Sequence[Sequence[Gain | None]]) -> Grid:
    """A grid of gains whose rows and columns have no names yet."""
    seen = [one.speedup for line in lines for one in line if one]
    widest = min(max(LEAST_SCALE, max(seen), 1 / min(seen)), MOST_SCALE)
    values = [[one.speedup if one else None for one in line] for line in lines]
    keys = [[row_key(one.row) if one else None for one in line] for line in lines]
    meaning = "Above 1 int8 is faster."
    return Grid(
        name, title, "×", [], [], values, 1 / widest, widest, keys, diverging=True, nature="measured", meaning=meaning
    )


def tile_grids(rows: Iterable[Row]) -> list[Grid]:
    """A grid a device and precision: the time of each hand-written kernel over that of the best one for the shape."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in timed_ok(rows):
        if row.provider == OWN:
            groups.setdefault((row.device_kind, series_of(row).precision), []).append(row)
    return [_tiles(*group, of) for group, of in groups.items() if _compared(of)]


def _case(row: Row) -> Case:
    return row.suite, row.case, row.sizes


def _compared(rows: list[Row]) -> bool:
    """Whether some case was timed with more than one kernel."""
    return len({(_case(row), row.kernel_id) for row in rows}) > len({_case(row) for row in rows})


def _tiles(kind: str, precision: str, rows: list[Row]) -> Grid:
    known = sorted(dict.fromkeys(map(_case, rows)), key=lambda case: prod(case[2]), reverse=True)
    cases = known[:MOST_SHAPES]
    times = {(row.kernel_id, _case(row)): row for row in sorted(rows, key=_time, reverse=True)}
    best = {case: min(_time(row) for (_, of), row in times.items() if of == case) for case in cases}
    tiles = [
        _Tile(kernel, [times.get((kernel, case)) for case in cases])
        for kernel in dict.fromkeys(row.kernel_id for row in rows)
    ]
    ranked = sorted((one for one in tiles if any(one.rows)), key=lambda one: one.standing(best))
    title = f"Time of {precision_name(precision)} tiles over the best one for the shape on {DEVICES.get(kind, kind)}"
    said = [left_out(len(known), len(cases), "shapes with most work"), left_out(len(ranked), MOST_TILES, "best tiles")]
    return _tile_grid(f"tiles_{kind}_{precision}", title, cases, best, ranked[:MOST_TILES], said)


def _tile_grid(
    name: str, title: str, cases: list[Case], best: dict[Case, float], tiles: list[_Tile], said: list[str]
) -> Grid:
    values = [one.losses(best) for one in tiles]
    worst = max(loss for line in values for loss in line if loss)
    read = "1.00 is the fastest tile; tiles that are best on the whole come first."
    return Grid(
        name, title, "×", [one.kernel_id for one in tiles], _case_names(cases), values,
        low=1.0, high=min(max(worst, LEAST_SCALE), MOST_LOSS), lower_is_better=True, nature="measured",
        keys=[[row_key(row) if row else None for row in one.rows] for one in tiles],
        axis_titles=("", "M×N×K"), meaning=" ".join(filter(None, [read, *said])),
    )  # fmt: skip


@dataclass(frozen=True)
class _Tile:
    """A kernel with its row for each case, None where it was not timed."""

    kernel_id: str
    rows: list[Row | None]

    def losses(self, best: dict[Case, float]) -> list[float | None]:
        return [_time(row) / best[_case(row)] if row else None for row in self.rows]

    def standing(self, best: dict[Case, float]) -> tuple[float, int, str]:
        """Geometric mean of the losses; of equal ones the kernel that was timed more often first."""
        known = [loss for loss in self.losses(best) if loss]
        return geometric_mean(known), -len(known), self.kernel_id


def _time(row: Row) -> float:
    assert row.time_us_median is not None
    return row.time_us_median


def _case_names(cases: list[Case]) -> list[str]:
    """Shapes; with the name of the case where two cases have one shape, and of the suite where that is the same too."""
    shapes = [shape_text(sizes) for _, _, sizes in cases]
    named = [f"{shape} {shorten(case)}" for shape, (_, case, _) in zip(shapes, cases, strict=True)]
    whole = [f"{name} {suite}" for name, (suite, _, _) in zip(named, cases, strict=True)]
    return next((names for names in (shapes, named) if len(set(names)) == len(cases)), whole)
