"""Counts of emulated rows over kernels and shapes: which tile suits which shape, before any GPU is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from immabench.report.emulation import Emulated
from immabench.report.speed import shape_text

MOST_SHAPES = 40


@dataclass(frozen=True)
class Grid:
    """Values of one count: ``values[kernel][shape]``, None where no row was emulated."""

    name: str
    title: str
    unit: str
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    low: float
    high: float
    lower_is_better: bool = False  # turns the colour scale round, so that bright is always good

    @property
    def labels(self) -> list[str]:
        """Kernel ids without what all of them begin with (whole words): the part that tells them apart."""
        words = [row.split("_") for row in self.rows]
        common = next((n for n, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1), 0)
        return ["_".join(row[common:]) for row in words]


def grids(facts: list[Emulated]) -> list[Grid]:
    """The grids worth drawing: useful MMA work and L2 traffic. None for a run without emulated rows."""
    facts = [one for one in facts if one.multiplies]
    if not facts:
        return []
    useful = _grid(facts, "useful_mma", "Useful MMA work", "%", lambda one: (one.useful_share or 0.0) * 100)
    traffic = _grid(facts, "l2_traffic", "L2 traffic against compulsory", "×", lambda one: one.traffic_ratio)
    return [useful, replace(traffic, low=1.0, lower_is_better=True)]


def _grid(facts: list[Emulated], name: str, title: str, unit: str, of: Callable[[Emulated], float | None]) -> Grid:
    shapes = _shapes(facts)
    kernels = list(dict.fromkeys(one.row.kernel_id for one in facts))
    found = {(one.row.kernel_id, one.shape): of(one) for one in facts}
    values = [[_rounded(found.get((kernel, shape))) for shape in shapes] for kernel in kernels]
    seen = [cell for line in values for cell in line if cell is not None]
    low, high = (0.0, 100.0) if unit == "%" else (0.0, max(seen, default=1.0))
    return Grid(name, title, unit, kernels, [shape_text(shape) for shape in shapes], values, low, high)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _shapes(facts: list[Emulated]) -> list[tuple[int, ...]]:
    """The shapes with most work, in the order the rows came, so that a wide sweep stays readable."""
    order = list(dict.fromkeys(one.shape for one in facts))
    largest = sorted(order, key=prod, reverse=True)[:MOST_SHAPES]
    return [shape for shape in order if shape in set(largest)]
