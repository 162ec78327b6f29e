"""Matrix time of whole models on the page."""

from __future__ import annotations

from immabench.readable import duration
from immabench.report.charts.style import AXIS, LEGEND, Figure, case_axis, label_pixels, legend_pixels, title
from immabench.report.models import ModelTotal
from immabench.report.palette import Look, Series, looks, share_precisions


def model_chart(totals: list[ModelTotal]) -> Figure:
    """Bars: matrix time of one forward pass a model and series. Complete totals only."""
    whole = [total for total in totals if total.complete]
    palette = looks(total.series for total in whole)
    models = list(dict.fromkeys(total.label for total in whole))
    top = 24 + legend_pixels(series.label for series in palette)
    layout = {
        "barmode": "group",
        "xaxis": {**AXIS, "title": title("matrix time of one forward pass (ms)"), "tickformat": ","},
        "yaxis": case_axis(models),
        "legend": LEGEND | {"traceorder": "reversed"},
        "bargap": 0.3,
        "margin": {"l": label_pixels(models), "r": 48, "t": top, "b": 52},
        "height": 80 + top + len(models) * (26 + 20 * len(palette)),
    }
    by_series = {one: [total for total in whole if total.series == one] for one in reversed(palette)}
    patterned = share_precisions(palette)
    return {"data": [_bars(of, one, palette[one], patterned) for one, of in by_series.items()], "layout": layout}


def _bars(of: list[ModelTotal], series: Series, look: Look, patterned: bool) -> Figure:
    pattern = {"shape": look.shape.pattern if patterned else "", "fgcolor": "@paper"}
    return {
        "type": "bar",
        "orientation": "h",
        "name": series.label,
        "x": [total.microseconds / 1e3 for total in of],
        "y": [total.label for total in of],
        "text": [duration(total.microseconds) for total in of],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": look.colour.on_page, "pattern": pattern},
        "hovertemplate": "%{y}: %{text}<extra>" + series.label + "</extra>",
    }
