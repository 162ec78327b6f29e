"""Interactive charts as plotly figures in plain data. Colours written ``@name`` are the page's, resolved there.

Plotly's Python objects are not needed to state a figure: its JSON is the interface, and only its script is inlined.
"""

from __future__ import annotations

from math import log10
from typing import Any

from immabench.report.formats import duration, log_ticks, number, ratio, tick_text
from immabench.report.grids import Grid
from immabench.report.keys import row_key
from immabench.report.models import ModelTotal
from immabench.report.palette import PRECISION_COLOURS, STATUS_MARKERS, Series, colours, precision_name
from immabench.report.roofline import Point, Roofline
from immabench.report.speed import Timing, shape_text
from immabench.report.uses import SHARED

Figure = dict[str, Any]
AXIS = {"gridcolor": "@grid", "zeroline": False, "linecolor": "@grid", "ticks": "outside", "tickcolor": "@grid"}
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"}
ROW_PIXELS = 22
MOST_POINTS = 5000
"""Points of one roofline on the page; a browser draws so many without delay."""


def roofline_chart(roof: Roofline) -> Figure:
    """Log-log: measured ceilings as labelled lines, one marker a timed row."""
    layout = {
        "xaxis": _log_axis("arithmetic intensity (operations per byte)", *roof.intensity_range),
        "yaxis": _log_axis(f"rate ({roof.unit.name})", *roof.rate_range),
        "legend": LEGEND,
        "margin": {"l": 64, "r": 16, "t": 48, "b": 52},
        "height": 520,
        "annotations": _roof_labels(roof),
    }
    if len(roof.points) > MOST_POINTS:
        layout["title"] = _title(f"the first {MOST_POINTS:,} of {len(roof.points):,} timed rows; all are in rows.csv")
    return {"data": [*_roof_lines(roof), *_point_traces(roof)], "layout": layout}


def _log_axis(title: str, low: float, high: float) -> Figure:
    ticks = log_ticks(low, high)
    shown = {"tickvals": ticks, "ticktext": [tick_text(tick) for tick in ticks]}
    return {**AXIS, **shown, "type": "log", "title": _title(title), "range": [log10(low), log10(high)]}


def _title(text: str) -> Figure:
    return {"text": text, "font": {"size": 13}}


def _roof_lines(roof: Roofline) -> list[Figure]:
    low, high = roof.intensity_range
    lines = []
    for peak in roof.peaks:
        flat = _line(
            [max(roof.knee(peak.tops), low), high],
            [peak.tops * roof.unit.factor] * 2,
            PRECISION_COLOURS[peak.precision],
        )
        lines.append(flat | {"name": f"{precision_name(peak.precision)} peak, measured"})
    if roof.memory and roof.peaks:
        knee = roof.knee(roof.ridge_peak)
        rates = [x * roof.memory.rate / 1e3 * roof.unit.factor for x in (low, knee)]
        lines.append(_line([low, knee], rates, "@muted"))
    return lines


def _line(x: list[float], y: list[float], colour: str) -> Figure:
    line = {"color": colour, "width": 1.8}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "showlegend": False, "hoverinfo": "skip"}


def _roof_labels(roof: Roofline) -> list[Figure]:
    _, high = roof.intensity_range
    labels = [
        {"x": log10(high), "y": log10(tops * roof.unit.factor), "text": text, "xanchor": "right", "yanchor": "bottom"}
        for tops, text in roof.peak_labels()
    ]
    if roof.memory:
        x, y = roof.memory_label_at
        labels.append(
            {"x": log10(x), "y": log10(y), "text": roof.memory_label, "xanchor": "right", "yanchor": "bottom"}
        )
    return [label | {"showarrow": False, "font": {"color": "@muted", "size": 12}} for label in labels]


def _point_traces(roof: Roofline) -> list[Figure]:
    palette = colours(point.series for point in roof.points)
    groups: dict[tuple[Series, str], list[Point]] = {}
    for point in roof.points[:MOST_POINTS]:
        groups.setdefault((point.series, point.row.status), []).append(point)
    return [_points(roof, of, palette[series], series, status) for (series, status), of in groups.items()]


def _points(roof: Roofline, of: list[Point], colour: str, series: Series, status: str) -> Figure:
    symbol = STATUS_MARKERS.get(status, ("circle-open", "o"))[0]
    marker = {"color": colour, "symbol": symbol, "size": 9, "opacity": 0.85, "line": {"width": 1, "color": "@paper"}}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": series.label if status == "ok" else f"{series.label}, {status}",
        "x": [point.intensity for point in of],
        "y": [roof.unit.of(point.tops) for point in of],
        "text": [_hover(point, roof) for point in of],
        "customdata": [[row_key(point.row)] for point in of],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": marker,
    }


def _hover(point: Point, roof: Roofline) -> str:
    row = point.row
    lines = [
        f"<b>{row.case or row.suite}</b> {shape_text(row.sizes)}",
        f"{row.kernel_id} ({row.backend})",
        f"{duration(row.time_us_median)}, {roof.unit.text(point.tops)}, {number(point.intensity)} op/byte",
        "no measured roof" if point.pct_roof is None else f"{number(point.pct_roof)} % of the measured roof",
    ]
    return "<br>".join(lines + ([] if row.status == "ok" else [f"{row.status}: {row.reason}"]))


def gain_chart(gains: list[Timing]) -> Figure:
    """One line a case: how many times as fast as fp32 each series runs it."""
    palette = colours(one.series for one in gains)
    cases = list(dict.fromkeys(case_label(one) for one in gains))
    equal = {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1}
    layout = {
        "xaxis": _log_axis("times as fast as fp32 (1 = equal)", *gain_range(gains)),
        "yaxis": {**AXIS, "categoryarray": cases[::-1], "categoryorder": "array", "automargin": True, "ticks": ""},
        "legend": LEGEND,
        "shapes": [equal | {"line": {"color": "@muted", "width": 1.5}}],
        "margin": {"l": 8, "r": 16, "t": 48, "b": 52},
        "height": 120 + ROW_PIXELS * max(len(cases), 3),
    }
    by_series = {series: [one for one in gains if one.series == series] for series in palette}
    return {"data": [_gain_trace(of, series, palette[series]) for series, of in by_series.items()], "layout": layout}


def gain_range(gains: list[Timing]) -> tuple[float, float]:
    """Range of the gain axis: every gain and equality, with a margin. Ratios are shown on a logarithmic axis."""
    seen = [one.speedup for one in gains if one.speedup] + [1.0]
    return min(seen) / 1.25, max(seen) * 1.25


def case_label(one: Timing) -> str:
    """Name and shape of a case, the name shortened in its middle: its ends tell more. ``+2``: and two more names."""
    first, *others = one.row.case.split(SHARED)
    name = shorten(first) + (f" +{len(others)}" if others else "")
    return f"{name}  {shape_text(one.shape)}" if name else shape_text(one.shape)


def shorten(name: str, most: int = 34) -> str:
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def _gain_trace(of: list[Timing], series: Series, colour: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": series.label,
        "x": [one.speedup for one in of],
        "y": [case_label(one) for one in of],
        "customdata": [[row_key(one.row)] for one in of],
        "text": [
            "<br>".join((one.row.case, shape_text(one.shape), one.row.kernel_id, ratio(one.speedup))) for one in of
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": colour, "size": 9},
    }


def model_chart(totals: list[ModelTotal]) -> Figure:
    """Bars: matrix time of one forward pass a model and series. Complete totals only."""
    whole = [total for total in totals if total.complete]
    palette = colours(total.series for total in whole)
    series = list(dict.fromkeys(total.series for total in whole))
    models = list(dict.fromkeys(model_label(total) for total in whole))
    layout = {
        "barmode": "group",
        "xaxis": {**AXIS, "title": _title("matrix time of one forward pass (ms)"), "tickformat": ","},
        "yaxis": {**AXIS, "categoryarray": models[::-1], "categoryorder": "array", "automargin": True, "ticks": ""},
        "legend": LEGEND | {"traceorder": "reversed"},
        "bargap": 0.3,
        "margin": {"l": 8, "r": 48, "t": 48, "b": 52},
        "height": 130 + len(models) * (26 + 20 * len(series)),
    }
    by_series = {one: [total for total in whole if total.series == one] for one in reversed(series)}
    return {"data": [_bar_trace(of, one, palette[one]) for one, of in by_series.items()], "layout": layout}


def model_label(total: ModelTotal) -> str:
    return f"{total.model} ({total.device_kind})"


def _bar_trace(of: list[ModelTotal], series: Series, colour: str) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": series.label,
        "x": [total.microseconds / 1e3 for total in of],
        "y": [model_label(total) for total in of],
        "text": [duration(total.microseconds) for total in of],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": colour},
        "hovertemplate": "%{y}: %{text}<extra>" + series.label + "</extra>",
    }


def grid_chart(grid: Grid) -> Figure:
    """Heat map of one count over kernels and shapes; a cell without a row stays empty."""
    cells = len(grid.columns) <= 14
    heat = {
        "type": "heatmap",
        "x": grid.columns,
        "y": grid.labels,
        "z": grid.values,
        "colorscale": "Cividis",
        "reversescale": grid.lower_is_better,
        "zmin": grid.low,
        "zmax": grid.high,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": grid.unit, "side": "right"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": "%{y}<br>%{x}<br>%{z:.3~g} " + grid.unit + "<extra></extra>",
        "texttemplate": "%{z:.3~g}" if cells else "",
        "hoverongaps": False,
    }
    layout = {
        "xaxis": {"type": "category", "tickangle": -40, "automargin": True, "showgrid": False, "ticks": ""},
        "yaxis": {"type": "category", "autorange": "reversed", "automargin": True, "showgrid": False, "ticks": ""},
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
        "height": 150 + 24 * max(len(grid.rows), 3),
    }
    return {"data": [heat], "layout": layout}
