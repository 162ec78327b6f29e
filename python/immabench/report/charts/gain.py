"""How many times as fast as fp32 each series runs each case, on the page."""

from __future__ import annotations

from immabench.readable import ratio, shape_text
from immabench.report.charts.style import (
    LEGEND,
    ROW_PIXELS,
    Figure,
    case_axis,
    label_pixels,
    legend_pixels,
    log_axis,
    points,
    symbol_of,
)  # fmt: skip
from immabench.report.palette import Look, Series, looks
from immabench.report.speed import Timing, case_label, gain_range


def gain_chart(gains: list[Timing]) -> Figure:
    """One line a case."""
    palette = looks(one.series for one in gains)
    cases = list(dict.fromkeys(case_label(one) for one in gains))
    top = 24 + legend_pixels(series.label for series in palette)
    equal = {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1}
    layout = {
        "xaxis": log_axis("times as fast as fp32 (1 = equal)", *gain_range(gains)),
        "yaxis": case_axis(cases),
        "legend": LEGEND,
        "shapes": [equal | {"line": {"color": "@muted", "width": 1.5}}],
        "margin": {"l": label_pixels(cases), "r": 16, "t": top, "b": 52},
        "height": 72 + top + ROW_PIXELS * max(len(cases), 3),
    }
    by_series = {series: [one for one in gains if one.series == series] for series in palette}
    return {"data": [_trace(of, series, palette[series]) for series, of in by_series.items()], "layout": layout}


def _trace(of: list[Timing], series: Series, look: Look) -> Figure:
    hovers = ["<br>".join((t.row.case, shape_text(t.shape), t.row.kernel_id, ratio(t.speedup))) for t in of]
    return {
        **points(series.label, [one.row for one in of], hovers),
        "x": [one.speedup for one in of],
        "y": [case_label(one) for one in of],
        "marker": {"color": look.colour.on_page, "symbol": symbol_of(look), "size": 9},
    }
