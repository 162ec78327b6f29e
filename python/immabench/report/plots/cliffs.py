"""Time and rate over M on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immabench.report.cliffs import Callout, Line, Sweep, callouts
from immabench.report.palette import Look, looks
from immabench.report.plots.files import Records
from immabench.report.plots.style import (
    INK,
    LETTER,
    MUTED,
    WIDTH,
    bare_sheet,
    legend,
    legend_height,
    log_axis,
    place_axes,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, BETWEEN, RIGHT, BOTTOM, TOP = 48.0, 54.0, 12.0, 58.0, 30.0
AXES_WIDTH, AXES_HEIGHT = (72 * WIDTH - LEFT - BETWEEN - RIGHT) / 2, 170.0
"""In points."""
LINE_HEIGHT = 11.0
"""Of a callout, in points."""


def cliff_plot(sweep: Sweep) -> Figure:
    """Two panels over M: time at the left with its jumps in words, rate at the right."""
    names = [line.series.label for line in sweep.lines]
    words = callouts(sweep, AXES_WIDTH / LETTER)
    room = LINE_HEIGHT * (max((one.level for one in words), default=-1) + 1)
    height = BOTTOM + AXES_HEIGHT + room + legend_height(names) + TOP
    figure = bare_sheet(height, f"{sweep.title} on {sweep.device}", sweep.note)
    starts = (LEFT, LEFT + AXES_WIDTH + BETWEEN)
    times, rates = (place_axes(figure, left, BOTTOM, AXES_WIDTH, AXES_HEIGHT) for left in starts)
    for line, look in zip(sweep.lines, looks(line.series for line in sweep.lines).values(), strict=True):
        _draw(times, line, [step.microseconds for step in line.steps], look)
        _draw(rates, line, [step.tops * sweep.unit.factor for step in line.steps], look)
    _name_axes(times, sweep, "time (µs)")
    _name_axes(rates, sweep, f"rate ({sweep.unit.name})")
    _write(times, words)
    legend(times, names, above=room + 2)
    return figure


def _draw(axes: Axes, line: Line, values: list[float], look: Look) -> None:
    at = {step.m: value for step, value in zip(line.steps, values, strict=True)}
    colour = look.colour.light
    drawn: dict[str, Any] = {"color": colour, "ls": look.shape.line_style, "marker": look.shape.marker}
    axes.plot(list(at), values, lw=1.4, ms=4, label=line.series.label, zorder=3, **drawn)
    jumped, switched = [jump.after.m for jump in line.jumps], [step.m for step in line.switches]
    axes.scatter(jumped, [at[m] for m in jumped], s=90, facecolors="none", edgecolors=colour, linewidths=1.4, zorder=4)
    axes.scatter(switched, [at[m] for m in switched], s=110, color=INK, marker="|", linewidths=1.2, zorder=5)


def _write(axes: Axes, words: list[Callout]) -> None:
    for one in words:
        above: dict[str, Any] = {"xytext": (0, 2 + LINE_HEIGHT * one.level), "textcoords": "offset points"}
        place: dict[str, Any] = {"xycoords": "axes fraction", "ha": "center", "va": "bottom"}
        axes.annotate(one.text, (one.x, 1), fontsize=8, color=MUTED, **above, **place)


def _name_axes(axes: Axes, sweep: Sweep, label: str) -> None:
    axes.set(xscale="log", yscale="log", xlim=sweep.span, xlabel="M", ylabel=label)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.1, high * 1.1)
    log_axis(axes.yaxis, low / 1.1, high * 1.1)
    axes.set_xticks(sweep.ticks, [f"{tick:,}" for tick in sweep.ticks])
    axes.minorticks_off()
    for jump in sweep.worst_jumps:
        axes.axvline(jump.after.m, color=MUTED, lw=0.8, ls=":", zorder=1)


def cliff_records(sweep: Sweep) -> Records:
    """One a point, with the time against that of the M before where it jumps."""
    return [record for line in sweep.lines for record in _line_records(line)]


def _line_records(line: Line) -> Records:
    ratios = {jump.after.m: jump.time_ratio for jump in line.jumps}
    switched = {step.m for step in line.switches}
    return [
        {
            "series": line.series.label,
            "m": step.m,
            "n": step.row.n,
            "k": step.row.k,
            "kernel_id": step.row.kernel_id,
            "time_us_median": step.microseconds,
            "tops": step.tops,
            "jump_time_ratio": ratios.get(step.m),
            "kernel_changed": step.m in switched,
        }
        for step in line.steps
    ]
