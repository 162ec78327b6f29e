"""What all charts share: axes, legends, margins, and how a series looks. ``@name`` is a colour of the page."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, log10
from typing import TYPE_CHECKING, Any

from immabench.report.keys import row_key
from immabench.report.palette import STATUS_MARKERS, Look, Series
from immabench.report.pictures import log_ticks, tick_text

if TYPE_CHECKING:
    from immabench.measure.rows import Row

Figure = dict[str, Any]
AXIS = {"gridcolor": "@grid", "zeroline": False, "linecolor": "@grid", "ticks": "outside", "tickcolor": "@grid"}
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"}
ROW_PIXELS = 22
PAGE_WIDTH = 1100
"""Of a chart in pixels on a wide screen; layouts that need a width are made for this one."""
LETTER = 6.6
"""Mean width of a letter of 12 pixels."""
WIDEST_LETTER = 8.4
"""Of the digits and signs that shapes are made of, at the 13 pixels of an axis."""


def log_axis(text: str, low: float, high: float) -> Figure:
    ticks = log_ticks(low, high)
    shown = {"tickvals": ticks, "ticktext": [tick_text(tick) for tick in ticks]}
    return {**AXIS, **shown, "type": "log", "title": title(text), "range": [log10(low), log10(high)]}


def case_axis(labels: list[str]) -> Figure:
    """One line a case, the first at the top. Its margin is `label_pixels`: one that plotly finds by itself goes on
    changing where a legend above does so too.
    """
    return {**AXIS, "categoryarray": labels[::-1], "categoryorder": "array", "ticks": ""}


def label_pixels(labels: Iterable[str]) -> int:
    """The margin left of a `case_axis` with these labels."""
    return 12 + ceil(WIDEST_LETTER * max(map(len, labels), default=0))


def title(text: str) -> Figure:
    return {"text": text, "font": {"size": 13}}


def legend_pixels(names: Iterable[str]) -> int:
    """Height that a horizontal legend of these names takes on a wide screen."""
    widths = [50 + LETTER * len(name) for name in names]
    return 20 * ceil(sum(widths) / (0.8 * PAGE_WIDTH))


def symbol_of(look: Look, status: str = "ok") -> str:
    """The provider's shape, or that of a status that is not ok."""
    return look.shape.symbol if status == "ok" else STATUS_MARKERS.get(status, ("hexagon2-open", ""))[0]


def series_name(series: Series, status: str = "ok") -> str:
    return series.label if status == "ok" else f"{series.label}, {status}"


def points(name: str, rows: Iterable[Row], hovers: Iterable[str]) -> Figure:
    """A trace of points without its places: a name for the legend, what hovering says, and which row each point is."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "text": list(hovers),
        "hovertemplate": "%{text}<extra></extra>",
        "customdata": [[row_key(row)] for row in rows],
    }


def line(x: Iterable[float], y: Iterable[float], colour: str, width: float = 1.8, dash: str = "solid") -> Figure:
    """A line that is no series: not in the legend, silent under the pointer."""
    drawn = {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y)}
    return {**drawn, "line": {"color": colour, "width": width, "dash": dash}, "showlegend": False, "hoverinfo": "skip"}
