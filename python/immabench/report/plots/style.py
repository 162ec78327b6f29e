"""What all plots share: the sheet they are drawn on, titles, legends, axes, and how they are saved."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from immabench.assets import checksum
from immabench.report import palette
from immabench.report.palette import STATUS_MARKERS, Look
from immabench.report.pictures import log_ticks, tick_text
from immabench.report.plots.files import SUFFIXES, Records, csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK, MUTED, GRID = palette.INK.light, palette.MUTED.light, palette.GRID.light
WIDTH = 8.0
"""Of a plot in inches; some grids are wider."""
LETTER = 4.7
"""Mean width of a letter of 8 points, in points."""
TITLE: dict[str, Any] = {"x": 0.012, "ha": "left", "fontsize": 10, "weight": "bold"}
CAPTION: dict[str, Any] = {"fontsize": 7.5, "color": MUTED}
CAPTION_LETTERS = 125
"""On one line of a caption."""
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.color": "white",
    "hatch.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "immabench",
}


def save(stem: Path, figure: Figure, records: Records) -> dict[str, str]:
    """Write a figure as .png and .svg and its numbers as .csv, and close it; returns the SHA-256 of each by suffix."""
    import matplotlib.pyplot as plt

    figure.savefig(stem.with_suffix(".png"), dpi=160)
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
    stem.with_suffix(".csv").write_bytes(csv_text(records).encode())
    return {suffix: checksum(stem.with_suffix(f".{suffix}")) for suffix in SUFFIXES}


def sheet(height: float, title: str, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with a title and axes that make room for their own labels; sizes in inches."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    figure.suptitle(title, **TITLE)
    return figure, axes


def caption(figure: Figure, text: str) -> None:
    """A line below the axes of a `sheet`, where there is something to say."""
    if text:
        figure.supxlabel(fill(text, CAPTION_LETTERS), x=TITLE["x"], ha="left", **CAPTION)


def bare_sheet(height: float, title: str, text: str) -> Figure:
    """A figure without axes, `height` points high, for those that `place_axes` puts there; title and caption set."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(WIDTH, height / 72))
    figure.suptitle(title, y=1 - 9 / height, va="top", **TITLE)
    figure.text(TITLE["x"], 8 / height, fill(text, CAPTION_LETTERS), **CAPTION)
    return figure


def place_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in points: where labels are laid out by hand, the canvas has to be known."""
    across, up = (72 * inches for inches in figure.get_size_inches())
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def legend(axes: Axes, names: list[str], above: float = 0.0) -> None:
    """Series above the axes, their entries in as many columns as fit; `above` more points away."""
    columns = legend_columns(names)
    options = {"borderaxespad": 0.2, "fontsize": 8, "handletextpad": 0.5, "columnspacing": 1.4, "handlelength": 1.8}
    height = axes.get_window_extent().height * 72 / axes.figure.dpi
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1 + above / height), ncols=columns, **options)


def legend_columns(names: list[str]) -> int:
    longest = max((len(name) for name in names), default=1)
    return max(1, min(len(names), int((WIDTH - 0.8) * 72 / (LETTER * longest + 34))))


def legend_height(names: list[str]) -> float:
    """In points."""
    return 13.0 * ceil(len(names) / legend_columns(names))


def log_axis(axis: Axis, low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    axis.set_ticks(ticks, labels=[tick_text(tick) for tick in ticks])
    axis.minorticks_off()


def case_axis(axes: Axes, labels: list[str]) -> None:
    """One line a case, the first at the top."""
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def marks(look: Look, status: str = "ok", hollow: bool = False) -> dict[str, Any]:
    """How the points of a series are drawn: its colour, the provider's shape or that of a status that is not ok."""
    colour = look.colour.light
    if status != "ok":
        return {"color": colour, "marker": STATUS_MARKERS.get(status, ("", "1"))[1]}
    shape = {"marker": look.shape.marker}
    if hollow:
        return {**shape, "facecolors": "white", "edgecolors": colour, "linewidths": 1.3}
    return {**shape, "color": colour, "edgecolors": "white", "linewidths": 0.5}
