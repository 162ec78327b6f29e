"""Heat maps as data: values over two axes, cells without a row empty.

Here are those of emulated counts over kernels and shapes: which tile suits which shape, before any GPU is at hand.
Those of measured times are in `heatmaps.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from immabench.readable import NOTHING, number, shape_text
from immabench.report.emulation import Emulated
from immabench.report.keys import row_key
from immabench.report.pictures import left_out

MOST_SHAPES = 40


@dataclass(frozen=True)
class Grid:
    """``values[row][column]``, None where nothing was done; ``keys`` are those of the rows behind, of the same form."""

    name: str
    title: str
    unit: str
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    low: float
    high: float
    keys: list[list[str | None]]
    lower_is_better: bool = False  # turns the colour scale round, so that bright is always good
    diverging: bool = False  # a ratio: 1 is the middle of the scale, which is logarithmic
    nature: Literal["emulated", "measured"] = "emulated"
    fields: tuple[str, str] = ("kernel_id", "shape")  # what rows and columns are, in the CSV
    axis_titles: tuple[str, str] = ("", "")  # of the vertical axis, of the horizontal
    breaks: tuple[int, ...] = ()  # rows before which another group begins
    meaning: str = ""  # a sentence on how to read it

    @property
    def labels(self) -> list[str]:
        """Kernel ids without what all of them begin with (whole words): the part that tells them apart."""
        words = [row.split("_") for row in self.rows]
        common = next((n for n, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1), 0)
        return ["_".join(row[common:]) for row in words]

    @property
    def cells(self) -> list[tuple[int, int, float]]:
        """(row, column, value) of every cell that has one."""
        lines = enumerate(self.values)
        return [(i, j, cell) for i, line in lines for j, cell in enumerate(line) if cell is not None]

    @property
    def note(self) -> str:
        """What the cells say, and the empty ones where there are any."""
        size = len(self.rows) * len(self.columns)
        empty = size - len(self.cells)
        done = {"emulated": "emulated", "measured": "timed"}[self.nature]
        said = [self.meaning] if self.meaning else []
        return " ".join(said + ([f"{empty:,} of {size:,} cells are empty: not {done}."] if empty else []))

    def text(self, value: float | None) -> str:
        """A value as a cell shows it: a ratio with two decimals, a percentage with two digits."""
        if value is None:
            return NOTHING
        return f"{value:.2f}" if self.unit == "×" and 0.1 <= value < 10 else number(value, 2)


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
    found = {(one.row.kernel_id, one.shape): one for one in facts}
    lines = [[found.get((kernel, shape)) for shape in shapes] for kernel in kernels]
    values = [[None if one is None else _rounded(of(one)) for one in line] for line in lines]
    seen = [cell for line in values for cell in line if cell is not None]
    low, high = (0.0, 100.0) if unit == "%" else (0.0, max(seen, default=1.0))
    keys = [[None if one is None else row_key(one.row) for one in line] for line in lines]
    said = left_out(len({one.shape for one in facts}), len(shapes), "shapes with most work")
    names = [shape_text(shape) for shape in shapes]
    return Grid(name, title, unit, kernels, names, values, low, high, keys, meaning=said)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _shapes(facts: list[Emulated]) -> list[tuple[int, ...]]:
    """The shapes with most work, in the order the rows came, so that a wide sweep stays readable."""
    order = list(dict.fromkeys(one.shape for one in facts))
    largest = sorted(order, key=prod, reverse=True)[:MOST_SHAPES]
    return [shape for shape in order if shape in set(largest)]
