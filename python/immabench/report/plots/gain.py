"""How many times as fast as fp32 each series runs each case, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immabench.report.palette import looks
from immabench.report.plots.files import Records
from immabench.report.plots.style import MUTED, case_axis, legend, legend_height, log_axis, marks, sheet
from immabench.report.speed import Timing, case_label, gain_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gain_plot(gains: list[Timing]) -> Figure:
    """One line a case."""
    cases = list(dict.fromkeys(case_label(one) for one in gains))
    palette = looks(one.series for one in gains)
    names = [series.label for series in palette]
    figure, axes = sheet(
        1.0 + legend_height(names) / 72 + 0.2 * max(len(cases), 3), f"Gain over fp32 on {_where(gains)}"
    )
    place = {case: index for index, case in enumerate(cases)}
    for series, look in palette.items():
        of = [one for one in gains if one.series == series]
        heights = [place[case_label(one)] for one in of]
        axes.scatter([one.speedup or 0.0 for one in of], heights, s=28, label=series.label, zorder=3, **marks(look))
    axes.axvline(1, color=MUTED, lw=1.2)
    case_axis(axes, cases)
    low, high = gain_range(gains)
    axes.set(xscale="log", xlim=(low, high), xlabel="times as fast as fp32 (1 = equal)")
    log_axis(axes.xaxis, low, high)
    legend(axes, names)
    return figure


def _where(gains: list[Timing]) -> str:
    return gains[0].row.device


def gain_records(gains: list[Timing]) -> Records:
    return [
        {
            "suite": one.row.suite,
            "case": one.row.case,
            "m": one.row.m,
            "n": one.row.n,
            "k": one.row.k,
            "batch": one.row.batch,
            "series": one.series.label,
            "kernel_id": one.row.kernel_id,
            "time_us_median": one.microseconds,
            "times_as_fast_as_fp32": one.speedup,
        }
        for one in gains
    ]
