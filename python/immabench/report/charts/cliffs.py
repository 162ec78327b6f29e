"""Time and rate over M on the page."""

from __future__ import annotations

from math import log10

from immabench.readable import duration
from immabench.report.charts.style import (
    AXIS,
    LEGEND,
    LETTER,
    PAGE_WIDTH,
    Figure,
    legend_pixels,
    log_axis,
    points,
    title,
)
from immabench.report.cliffs import Callout, Line, Step, Sweep, callouts
from immabench.report.palette import Look, looks

PANELS = ((0.0, 0.46), (0.56, 1.0))
PLOT_HEIGHT = 300
LINE_HEIGHT = 16


def cliff_chart(sweep: Sweep) -> Figure:
    """Two panels over M: time at the left with its jumps in words, rate at the right."""
    palette = looks(line.series for line in sweep.lines)
    words = callouts(sweep, PANELS[0][1] * (PAGE_WIDTH - 80) / LETTER)
    legend = legend_pixels(line.series.label for line in sweep.lines)
    room = LINE_HEIGHT * (max((one.level for one in words), default=-1) + 1)
    times = [step.microseconds for line in sweep.lines for step in line.steps]
    rates = [step.tops * sweep.unit.factor for line in sweep.lines for step in line.steps]
    layout = {
        "xaxis": _size_axis(sweep) | {"domain": PANELS[0]},
        "xaxis2": _size_axis(sweep) | {"domain": PANELS[1], "anchor": "y2"},
        "yaxis": log_axis("time (µs)", min(times) / 1.3, max(times) * 1.3),
        "yaxis2": log_axis(f"rate ({sweep.unit.name})", min(rates) / 1.3, max(rates) * 1.3) | {"anchor": "x2"},
        "legend": LEGEND | {"y": 1 + (room + 8) / PLOT_HEIGHT},
        "annotations": [_words(one) for one in words],
        "shapes": [_marker(jump.after.m, panel) for jump in sweep.worst_jumps for panel in ("", "2")],
        "margin": {"l": 64, "r": 16, "t": 24 + legend + room, "b": 52},
        "height": PLOT_HEIGHT + 76 + legend + room,
    }
    data = [trace for line in sweep.lines for trace in _traces(sweep, line, palette[line.series])]
    return {"data": data, "layout": layout}


def _size_axis(sweep: Sweep) -> Figure:
    shown = {"tickvals": sweep.ticks, "ticktext": [f"{tick:,}" for tick in sweep.ticks]}
    return {**AXIS, **shown, "type": "log", "title": title("M"), "range": [log10(end) for end in sweep.span]}


def _words(one: Callout) -> Figure:
    place = {"xref": "paper", "x": PANELS[0][1] * one.x, "yref": "paper", "y": 1, "yshift": LINE_HEIGHT * one.level}
    anchors = {"xanchor": "center", "yanchor": "bottom", "showarrow": False}
    return {"text": one.text, **place, **anchors, "font": {"color": "@muted", "size": 12}}


def _marker(m: int, panel: str) -> Figure:
    """A thin line at the M of a jump."""
    ends = {"xref": f"x{panel}", "x0": m, "x1": m, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "line", **ends, "line": {"color": "@muted", "width": 1, "dash": "dot"}}


def _traces(sweep: Sweep, line: Line, look: Look) -> list[Figure]:
    """The line in both panels, and over it rings where it jumps and bars where its kernel changes."""
    times = {step.m: step.microseconds for step in line.steps}
    rates = {step.m: step.tops * sweep.unit.factor for step in line.steps}
    jumped, switched = [jump.after.m for jump in line.jumps], [step.m for step in line.switches]
    ring = {"symbol": "circle-open", "size": 15, "color": look.colour.on_page, "line": {"width": 2}}
    bar = {"symbol": "line-ns-open", "size": 13, "color": "@ink", "line": {"width": 1.5}}
    traces = []
    for panel, values in (("", times), ("2", rates)):
        axes = {"xaxis": f"x{panel}", "yaxis": f"y{panel}"}
        traces.append(_line(sweep, line, look, values) | {"showlegend": not panel} | axes)
        over = [(sizes, mark) for sizes, mark in ((jumped, ring), (switched, bar)) if sizes]
        traces += [_marks(line, sizes, values, mark) | axes for sizes, mark in over]
    return traces


def _line(sweep: Sweep, line: Line, look: Look, values: dict[int, float]) -> Figure:
    return {
        **points(line.series.label, [step.row for step in line.steps], [_hover(sweep, step) for step in line.steps]),
        "mode": "lines+markers",
        "x": list(values),
        "y": list(values.values()),
        "legendgroup": line.series.label,
        "line": {"color": look.colour.on_page, "dash": look.shape.dash, "width": 2},
        "marker": {"color": look.colour.on_page, "symbol": look.shape.symbol, "size": 7},
    }


def _marks(line: Line, sizes: list[int], values: dict[int, float], mark: Figure) -> Figure:
    places = {"x": sizes, "y": [values[m] for m in sizes]}
    drawn = {"type": "scatter", "mode": "markers", "marker": mark, "legendgroup": line.series.label}
    return {**drawn, **places, "showlegend": False, "hoverinfo": "skip"}


def _hover(sweep: Sweep, step: Step) -> str:
    return f"M={step.m}: {duration(step.microseconds)}, {sweep.unit.text(step.tops)}<br>{step.row.kernel_id}"
