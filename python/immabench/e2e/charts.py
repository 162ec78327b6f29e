"""The two pictures of a comparison of runtimes, as plotly figures in plain data (`report.charts`)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from immabench.e2e.rows import E2eRow
from immabench.readable import number
from immabench.report.charts.style import AXIS, LEGEND, Figure
from immabench.report.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from immabench.report.pictures import log_ticks, tick_text

COLOURS = {"fp32": VERMILION, "bf16": GREEN, "fp16": PURPLE, "int8": BLUE, "int4": ORANGE}
OTHERS = (SKY, GREY)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def charts(rows: Sequence[E2eRow]) -> dict[str, Figure]:
    """Those with something to see, by the name of their place in the template."""
    timed = [row for row in rows if row.latency_ms_p50 is not None]
    found = {}
    if any(row.accuracy_top1 is not None for row in timed):
        found["accuracy"] = accuracy_chart(timed)
    if len({row.batch for row in timed}) > 1:
        found["throughput"] = throughput_chart(timed)
    return found


def accuracy_chart(rows: Sequence[E2eRow]) -> Figure:
    """At the smallest batch: top-1 in percent by milliseconds, with both intervals."""
    batch = min(row.batch or 0 for row in rows)
    shown = [row for row in rows if row.batch == batch and row.accuracy_top1 is not None]
    times = [row.latency_ms_p50 or 0.0 for row in shown]
    layout = _layout(_log_axis(f"latency at batch {batch} (ms)", times), {**AXIS, "title": _title("top-1 (%)")})
    return {"data": [_point(row, *_look(row, rows)) for row in shown], "layout": layout}


def throughput_chart(rows: Sequence[E2eRow]) -> Figure:
    """A line a runtime and precision: samples a second by batch, both axes logarithmic."""
    batches = sorted({row.batch or 0 for row in rows})
    axis = {**_log_axis("batch", batches), "tickvals": batches, "ticktext": [str(batch) for batch in batches]}
    rates = [row.throughput or 0.0 for row in rows]
    lines: dict[tuple[str, str], list[E2eRow]] = {}
    for row in rows:
        lines.setdefault((row.runtime, row.precision), []).append(row)
    data = [_line(sorted(of, key=lambda row: row.batch or 0), *_look(of[0], rows)) for of in lines.values()]
    return {"data": data, "layout": _layout(axis, _log_axis("samples a second", rates))}


def _look(row: E2eRow, rows: Sequence[E2eRow]) -> tuple[str, int]:
    """Colour of the precision, and place of the runtime, which symbols and dashes go by."""
    others = [name for name in dict.fromkeys(one.precision for one in rows) if name not in COLOURS]
    runtimes = list(dict.fromkeys(one.runtime for one in rows))
    colour = COLOURS.get(row.precision) or OTHERS[others.index(row.precision) % len(OTHERS)]
    return colour.on_page, runtimes.index(row.runtime) % len(SYMBOLS)


def _point(row: E2eRow, colour: str, place: int) -> Figure:
    assert row.accuracy_top1 is not None
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{row.runtime} {row.precision}",
        "x": [row.latency_ms_p50],
        "y": [100 * row.accuracy_top1],
        "error_x": _bars([row.latency_ms_p50 or 0.0], row.latency_ms_interval, 1, colour),
        "error_y": _bars([100 * row.accuracy_top1], row.accuracy_interval, 100, colour),
        "marker": {"color": colour, "symbol": SYMBOLS[place], "size": 11},
        "hovertemplate": f"{row.point}<br>%{{x:.3~g}} ms, %{{y:.2f}} %<extra></extra>",
    }


def _bars(values: Sequence[float], interval: tuple[float, float] | None, factor: float, colour: str) -> Figure:
    if interval is None:
        return {"visible": False}
    low, high = interval
    return {
        "type": "data",
        "symmetric": False,
        "array": [factor * high - values[0]],
        "arrayminus": [values[0] - factor * low],
        "color": colour,
        "thickness": 1,
    }


def _line(rows: Sequence[E2eRow], colour: str, place: int) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{rows[0].runtime} {rows[0].precision}",
        "x": [row.batch for row in rows],
        "y": [row.throughput for row in rows],
        "text": [f"{row.point}<br>{number(row.throughput)} samples/s" for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": colour, "dash": DASHES[place], "width": 2},
        "marker": {"color": colour, "symbol": SYMBOLS[place], "size": 8},
    }


def _layout(x: Figure, y: Figure) -> Figure:
    margin = {"l": 64, "r": 16, "t": 48, "b": 52}
    return {"xaxis": x, "yaxis": y, "legend": LEGEND, "margin": margin, "height": 420}


def _log_axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    low, high = min(values) / 1.3, max(values) * 1.3
    ticks = log_ticks(low, high)
    shown = {"tickvals": ticks, "ticktext": [tick_text(tick) for tick in ticks]}
    return {**AXIS, **shown, "type": "log", "title": _title(title), "range": [log10(low), log10(high)]}


def _title(text: str) -> Figure:
    return {"text": text, "font": {"size": 13}}
