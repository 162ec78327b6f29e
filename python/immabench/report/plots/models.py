"""Matrix time of whole models on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immabench.report.formats import duration
from immabench.report.models import ModelTotal
from immabench.report.palette import looks
from immabench.report.plots.style import Records, legend, legend_height, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def model_plot(totals: list[ModelTotal]) -> Figure:
    """A group of bars a model, a bar a series."""
    models = list(dict.fromkeys(total.label for total in totals))
    palette = looks(total.series for total in totals)
    names = [series.label for series in palette]
    height = 1.1 + legend_height(names) / 72 + len(models) * (0.25 + 0.22 * len(palette))
    figure, axes = sheet(height, "Matrix time of one forward pass")
    thick = 0.8 / len(palette)
    for index, (one, look) in enumerate(palette.items()):
        of = [total for total in totals if total.series == one]
        places = [models.index(total.label) + index * thick for total in of]
        drawn: dict[str, Any] = {"color": look.colour.light, "hatch": look.shape.hatch, "edgecolor": "white", "lw": 0}
        bars = axes.barh(places, [t.microseconds / 1e3 for t in of], thick * 0.92, label=one.label, **drawn)
        axes.bar_label(bars, [duration(total.microseconds) for total in of], padding=3, fontsize=8)
    axes.set_yticks([index + 0.4 - thick / 2 for index in range(len(models))], models)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("matrix time of one forward pass (ms)")
    legend(axes, names)
    return figure


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
