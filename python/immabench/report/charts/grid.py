"""Heat maps on the page."""

from __future__ import annotations

from math import log2

from immabench.readable import ratio
from immabench.report.charts.style import Figure, title
from immabench.report.grids import Grid
from immabench.report.palette import DIVERGING

MOST_WRITTEN = 24
"""Columns up to which a cell of the page is wide enough for its value."""


def grid_chart(grid: Grid) -> Figure:
    """Values over rows and columns; a cell without a row stays empty."""
    heat = {
        "type": "heatmap",
        "x": grid.columns,
        "y": grid.labels,
        "z": [[_height(grid, cell) for cell in line] for line in grid.values],
        "text": [["" if cell is None else grid.text(cell) for cell in line] for line in grid.values],
        "customdata": [[[key] for key in line] for line in grid.keys],
        **_scale(grid),
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "%{y}<br>%{x}<br>%{text} " + grid.unit + "<extra></extra>",
        "texttemplate": "%{text}" if len(grid.columns) <= MOST_WRITTEN else "",
        "hoverongaps": False,
    }
    shared = {"type": "category", "automargin": True, "showgrid": False, "ticks": ""}
    down, across = grid.axis_titles
    angle = 0 if max(map(len, grid.columns)) < 6 else -40
    layout = {
        "xaxis": {**shared, "tickangle": angle, "title": title(across)},
        "yaxis": {**shared, "autorange": "reversed", "title": title(down)},
        "shapes": [_break(row) for row in grid.breaks],
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
        "height": (170 if across else 150) + 24 * max(len(grid.rows), 3),
    }
    return {"data": [heat], "layout": layout}


def _height(grid: Grid, cell: float | None) -> float | None:
    """Where a value stands on the colour scale: plotly has no logarithmic one."""
    return log2(cell) if grid.diverging and cell is not None else cell


def _scale(grid: Grid) -> Figure:
    suffix = "×" if grid.unit == "×" else f" {grid.unit}"
    bar = {"ticksuffix": suffix, "thickness": 12, "outlinewidth": 0, "nticks": 5}
    if not grid.diverging:
        scale = {"colorscale": "Cividis", "reversescale": grid.lower_is_better, "zmin": grid.low, "zmax": grid.high}
        return {**scale, "colorbar": bar}
    ticks = [grid.low, grid.low**0.5, 1.0, grid.high**0.5, grid.high]
    named = {"tickvals": [log2(tick) for tick in ticks], "ticktext": [ratio(tick) for tick in ticks], "ticksuffix": ""}
    colours = [[place, colour] for place, colour in zip((0, 0.5, 1), DIVERGING, strict=True)]
    return {"colorscale": colours, "zmin": log2(grid.low), "zmax": log2(grid.high), "colorbar": {**bar, **named}}


def _break(row: int) -> Figure:
    """A line between two groups of rows."""
    ends = {"x0": 0, "x1": 1, "y0": row - 0.5, "y1": row - 0.5}
    return {"type": "line", "xref": "paper", "yref": "y", **ends, "line": {"color": "@ink", "width": 1.5}}
