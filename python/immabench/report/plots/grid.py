"""Heat maps on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immabench.readable import percent, ratio
from immabench.report.grids import Grid
from immabench.report.palette import DIVERGING
from immabench.report.plots.files import Records
from immabench.report.plots.style import INK, WIDTH, caption, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

CELL_WIDTH, CELL_HEIGHT = 0.36, 0.27
"""In inches: wide enough for a value."""
TITLE_LETTER = 0.09
"""Mean width of a bold letter of 10 points, in inches."""


def grid_plot(grid: Grid) -> Figure:
    """Values over rows and columns; a cell without a row stays empty."""
    title = f"{grid.title} ({grid.unit})" + (", emulated" if grid.nature == "emulated" else "")
    labels = 0.08 * max(map(len, grid.labels))
    width = max(WIDTH, 1.9 + labels + CELL_WIDTH * len(grid.columns), 0.3 + TITLE_LETTER * len(title))
    below = 0.06 * max(map(len, grid.columns))
    height = 1.0 + below + CELL_HEIGHT * len(grid.rows)
    figure, axes = sheet(height, title, width)
    image = _draw(axes, grid)
    _name_axes(axes, grid)
    _write_cells(axes, image, grid)
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=max(4, 2 * len(grid.rows)))
    ticks = [grid.low, 1.0, grid.high] if grid.diverging else [grid.low, (grid.low + grid.high) / 2, grid.high]
    bar.set_ticks(ticks, labels=[ratio(tick) if grid.unit == "×" else percent(tick) for tick in ticks])
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=7.5)
    caption(figure, grid.note)
    return figure


def _draw(axes: Axes, grid: Grid) -> AxesImage:
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    values = np.array([[np.nan if cell is None else cell for cell in line] for line in grid.values], dtype=float)
    if grid.diverging:
        colours = LinearSegmentedColormap.from_list("diverging", DIVERGING)
        return axes.imshow(values, cmap=colours, norm=LogNorm(grid.low, grid.high), aspect="auto")
    name = "cividis_r" if grid.lower_is_better else "cividis"
    return axes.imshow(values, cmap=name, vmin=grid.low, vmax=grid.high, aspect="auto")


def _name_axes(axes: Axes, grid: Grid) -> None:
    short = max(map(len, grid.columns)) < 6
    turned: dict[str, Any] = {} if short else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(grid.columns)), grid.columns, fontsize=7.5, **turned)
    axes.set_yticks(range(len(grid.rows)), grid.labels, fontsize=7.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_ylabel(grid.axis_titles[0])
    axes.set_xlabel(grid.axis_titles[1])
    for row in grid.breaks:
        axes.axhline(row - 0.5, color=INK, lw=1.2)


def _write_cells(axes: Axes, image: AxesImage, grid: Grid) -> None:
    import numpy as np

    size = 8 if len(grid.columns) <= 16 else 6.5
    for i, j, cell in grid.cells:
        red, green, blue, _ = image.to_rgba(np.array([cell]))[0]
        dark = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18
        colour = "white" if dark else "black"
        axes.text(j, i, grid.text(cell), ha="center", va="center", fontsize=size, color=colour)


def grid_records(grid: Grid) -> Records:
    """Every cell, empty ones too."""
    unit = {"%": "percent", "×": "ratio"}[grid.unit]
    down, across = grid.fields
    return [
        {down: row, across: column, f"{grid.name}_{unit}": cell}
        for row, line in zip(grid.rows, grid.values, strict=True)
        for column, cell in zip(grid.columns, line, strict=True)
    ]
