"""Share of the measured roof by case, on the page."""

from __future__ import annotations

from immabench.readable import duration, percent, shape_text
from immabench.report.charts.style import (
    AXIS,
    LEGEND,
    ROW_PIXELS,
    Figure,
    case_axis,
    label_pixels,
    legend_pixels,
    points,
    title,
)
from immabench.report.palette import Look, Series, looks
from immabench.report.shares import Share, share_range
from immabench.report.speed import case_label


def share_chart(shares: list[Share]) -> Figure:
    """One line a case; filled where the peak bounds it, hollow where the memory does."""
    palette = looks(one.series for one in shares)
    cases = list(dict.fromkeys(case_label(one.timing) for one in shares))
    groups: dict[tuple[Series, str], list[Share]] = {}
    for one in sorted(shares, key=lambda one: (list(palette).index(one.series), one.bound)):
        groups.setdefault((one.series, one.bound), []).append(one)
    named = dict(reversed(groups))  # the first trace of each series is in the legend
    data = [
        _trace(of, series, bound, palette[series]) | {"showlegend": named[series] == bound}
        for (series, bound), of in groups.items()
    ]
    top = 24 + legend_pixels(series.label for series in palette)
    whole = {"type": "line", "x0": 100, "x1": 100, "yref": "paper", "y0": 0, "y1": 1}
    layout = {
        "xaxis": {**AXIS, "title": title("share of the measured roof (%)"), "range": share_range(shares)},
        "yaxis": case_axis(cases),
        "legend": LEGEND,
        "shapes": [whole | {"line": {"color": "@muted", "width": 1.5}}],
        "margin": {"l": label_pixels(cases), "r": 16, "t": top, "b": 52},
        "height": 72 + top + ROW_PIXELS * max(len(cases), 3),
    }
    return {"data": data, "layout": layout}


def _trace(of: list[Share], series: Series, bound: str, look: Look) -> Figure:
    hollow = "-open" if bound == "memory" else ""
    return {
        **points(series.label, [one.timing.row for one in of], map(_hover, of)),
        "legendgroup": series.label,
        "x": [one.pct_roof for one in of],
        "y": [case_label(one.timing) for one in of],
        "marker": {"color": look.colour.on_page, "symbol": look.shape.symbol + hollow, "size": 9},
    }


def _hover(one: Share) -> str:
    row = one.timing.row
    lines = (row.case, shape_text(row.sizes), row.kernel_id, duration(row.time_us_median))
    return "<br>".join((*lines, f"{percent(one.pct_roof)} of the measured roof, bound by {one.bound}"))
