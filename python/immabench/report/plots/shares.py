"""Share of the measured roof by case, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immabench.report.palette import looks
from immabench.report.plots.files import Records
from immabench.report.plots.style import (
    MUTED,
    caption,
    case_axis,
    legend,
    legend_height,
    marks,
    sheet,
)  # fmt: skip
from immabench.report.shares import Share, share_range
from immabench.report.speed import case_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def share_plot(shares: list[Share]) -> Figure:
    """One line a case; filled where the peak bounds it, hollow where the memory does."""
    cases = list(dict.fromkeys(case_label(one.timing) for one in shares))
    palette = looks(one.series for one in shares)
    names = [series.label for series in palette]
    height = 1.15 + legend_height(names) / 72 + 0.2 * max(len(cases), 3)
    figure, axes = sheet(height, f"Share of the measured roof on {shares[0].timing.row.device}")
    place = {case: index for index, case in enumerate(cases)}
    for series, look in palette.items():
        for bound in ("compute", "memory"):
            of = [one for one in shares if (one.series, one.bound) == (series, bound)]
            drawn = marks(look, hollow=bound == "memory")
            x, y = [one.pct_roof for one in of], [place[case_label(one.timing)] for one in of]
            axes.scatter(x, y, s=28, zorder=3, **drawn)
        axes.scatter([], [], s=28, label=series.label, **marks(look))
    axes.axvline(100, color=MUTED, lw=1.2)
    case_axis(axes, cases)
    axes.set(xlim=share_range(shares), xlabel="share of the measured roof (%)")
    legend(axes, names)
    caption(figure, "Filled: bound by the peak of computing. Hollow: by the bandwidth of memory.")
    return figure


def share_records(shares: list[Share]) -> Records:
    return [
        {
            "suite": one.timing.row.suite,
            "case": one.timing.row.case,
            "m": one.timing.row.m,
            "n": one.timing.row.n,
            "k": one.timing.row.k,
            "batch": one.timing.row.batch,
            "series": one.series.label,
            "kernel_id": one.timing.row.kernel_id,
            "pct_roof": one.pct_roof,
            "bound": one.bound,
        }
        for one in shares
    ]
