"""Matrix time of whole models on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immabench.readable import duration
from immabench.report.models import ModelTotal
from immabench.report.palette import Look, Series, looks, share_precisions
from immabench.report.plots.files import Records
from immabench.report.plots.style import legend, legend_height, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_SHARE = 0.8
"""Of the height that a model has, for all of its bars."""


def model_plot(totals: list[ModelTotal]) -> Figure:
    """A group of bars a model, a bar a series."""
    models = list(dict.fromkeys(total.label for total in totals))
    palette = looks(total.series for total in totals)
    names = [series.label for series in palette]
    height = 1.1 + legend_height(names) / 72 + len(models) * (0.25 + 0.22 * len(palette))
    figure, axes = sheet(height, "Matrix time of one forward pass")
    _draw_bars(axes, totals, models, palette)
    thick = BAR_SHARE / len(palette)
    axes.set_yticks([index + BAR_SHARE / 2 - thick / 2 for index in range(len(models))], models)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("matrix time of one forward pass (ms)")
    legend(axes, names)
    return figure


def _draw_bars(axes: Axes, totals: list[ModelTotal], models: list[str], palette: dict[Series, Look]) -> None:
    """Beside each other in the order of the legend, each with its time in words."""
    hatched, thick = share_precisions(palette), BAR_SHARE / len(palette)
    for index, (one, look) in enumerate(palette.items()):
        of = [total for total in totals if total.series == one]
        places = [models.index(total.label) + index * thick for total in of]
        drawn: dict[str, Any] = {"color": look.colour.light, "edgecolor": "white", "lw": 0, "label": one.label}
        drawn |= {"hatch": look.shape.hatch} if hatched else {}
        bars = axes.barh(places, [total.microseconds / 1e3 for total in of], thick * 0.92, **drawn)
        axes.bar_label(bars, [duration(total.microseconds) for total in of], padding=3, fontsize=8)


def model_records(totals: list[ModelTotal]) -> Records:
    return [
        {
            "model": total.model,
            "device": total.device,
            "series": total.series.label,
            "time_ms": total.microseconds / 1e3,
            "tops": total.tops,
            "times_as_fast_as_fp32": total.speedup,
            "shapes": total.shapes,
        }
        for total in totals
    ]
