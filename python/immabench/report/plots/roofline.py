"""The roofline on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immabench.report.palette import Look, Series, looks, precision_colour
from immabench.report.plots.files import Records
from immabench.report.plots.style import (
    LETTER,
    MUTED,
    WIDTH,
    bare_sheet,
    legend,
    legend_height,
    log_axis,
    marks,
    place_axes,
)  # fmt: skip
from immabench.report.roof_labels import Canvas, peak_labels, slope_labels
from immabench.report.roofline import Point, RoofLine, Roofline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, BOTTOM, TOP, AXES_HEIGHT = 48.0, 62.0, 30.0, 270.0
"""Around the axes, and theirs, in points: placed by hand, for labels are laid out on a canvas of known size."""
LEADER = 9.0
"""From the end of a line to its name, in points."""
CROWD = 300
"""More points than this are drawn small."""


def roofline_plot(roof: Roofline) -> Figure:
    """Log-log: measured ceilings solid, the data sheet's dashed, each with its name; one marker a row."""
    names = list(_groups(roof))
    right = LEADER + 16 + LETTER * max((len(line.text) for line in roof.peak_lines()), default=0)
    canvas = Canvas(72 * WIDTH - LEFT - right, AXES_HEIGHT, 10.5, LETTER)
    height = BOTTOM + canvas.height + legend_height(names) + TOP
    figure = bare_sheet(height, f"Roofline of {roof.device}", _caption(roof))
    axes = place_axes(figure, LEFT, BOTTOM, canvas.width, canvas.height)
    axes.set(xscale="log", yscale="log", xlim=roof.intensity_range, ylim=roof.rate_range)
    axes.set(xlabel=roof.intensity_title, ylabel=f"rate ({roof.unit.name})")
    log_axis(axes.xaxis, *roof.intensity_range)
    log_axis(axes.yaxis, *roof.rate_range)
    _draw_lines(axes, roof)
    _draw_names(axes, roof, canvas)
    _draw_points(axes, roof)
    legend(axes, names, above=2)
    return figure


def _caption(roof: Roofline) -> str:
    if not roof.peaks:
        return "No ceiling was measured for this device."
    measured = "Solid lines: measured on this device."
    profiled = " Joined points: one row by its L2 traffic (hollow) and its DRAM traffic." if roof.profiled else ""
    return measured + (f" Dashed: {roof.sheet.source}." if roof.sheet else "") + profiled


def _colour(line: RoofLine) -> str:
    return precision_colour(line.precision).light if line.precision else MUTED


def _draw_lines(axes: Axes, roof: Roofline) -> None:
    for line in (*roof.slope_lines(), *roof.peak_lines()):
        width, style = (1.5, "-") if line.measured else (0.8, "--")
        axes.plot(line.x, line.y, color=_colour(line), lw=width, ls=style, zorder=2)


def _draw_names(axes: Axes, roof: Roofline, canvas: Canvas) -> None:
    """Names of the peaks at the right, each joined with the end of its line, and of the slopes along them."""
    from matplotlib.patheffects import withStroke

    beside = axes.transAxes
    for peak in peak_labels(roof, canvas):
        end, text = 1 + LEADER / canvas.width, 1 + (LEADER + 3) / canvas.width
        ends = [peak.line_at, peak.text_at]
        axes.plot([1, end], ends, color=_colour(peak.line), lw=0.8, transform=beside, clip_on=False)
        axes.text(text, peak.text_at, peak.line.text, transform=beside, va="center", fontsize=8, color=MUTED)
    for slope in slope_labels(roof, canvas):
        turned: dict[str, Any] = {"rotation": slope.degrees, "rotation_mode": "anchor", "ha": "center", "va": "center"}
        name = axes.text(slope.x, slope.y, slope.line.text, transform=beside, fontsize=8, color=MUTED, **turned)
        name.set(path_effects=[withStroke(linewidth=2, foreground="white")], zorder=2.5)


def _groups(roof: Roofline) -> dict[str, tuple[Series, str, list[Point]]]:
    """Points by series and status, by the name of each group in the legend, series in the order of their looks."""
    order = list(looks(point.series for point in roof.points))
    groups: dict[str, tuple[Series, str, list[Point]]] = {}
    for point in sorted(roof.points, key=lambda p: (order.index(p.series), p.row.status != "ok", p.row.status)):
        status = point.row.status
        name = point.series.label if status == "ok" else f"{point.series.label}, {status}"
        groups.setdefault(name, (point.series, status, []))[2].append(point)
    return groups


def _draw_points(axes: Axes, roof: Roofline) -> None:
    palette = looks(point.series for point in roof.points)
    size, alpha = (26.0, 0.95) if len(roof.points) <= CROWD else (9.0, 0.6)
    for name, (series, status, of) in _groups(roof).items():
        x, y = [point.intensity for point in of], [point.tops * roof.unit.factor for point in of]
        axes.scatter(x, y, s=size, alpha=alpha, label=name, zorder=4, **marks(palette[series], status))
        _draw_profiled(axes, roof, of, palette[series], 0.7 * size)


def _draw_profiled(axes: Axes, roof: Roofline, of: list[Point], look: Look, size: float) -> None:
    """A row again at the intensity of its L2 traffic, hollow, joined with the one of DRAM."""
    for point in of:
        if point.l2_intensity is not None:
            rate = point.tops * roof.unit.factor
            axes.plot([point.l2_intensity, point.intensity], [rate, rate], color=look.colour.light, lw=0.9, zorder=3)
            axes.scatter(point.l2_intensity, rate, s=size, zorder=4, **marks(look, hollow=True))


def roofline_records(roof: Roofline) -> Records:
    """Ceilings, those of the data sheet by a kind of their own, then rows."""
    ceilings = [
        {"kind": "ceiling", "name": peak.precision, "series": peak.source, "tops": peak.tops} for peak in roof.peaks
    ]
    for level, limit in (("DRAM", roof.memory), ("cache", roof.cache)):
        ceilings += [{"kind": "ceiling", "name": level, "series": limit.source, "gbps": limit.rate}] if limit else []
    if roof.sheet:
        stated = {"kind": "data sheet", "series": roof.sheet.source}
        ceilings += [{**stated, "name": peak.precision, "tops": peak.tops} for peak in roof.sheet.peaks]
        ceilings.append({**stated, "name": "DRAM", "gbps": roof.sheet.memory.rate})
    keys = (
        "kind",
        "name",
        "series",
        "status",
        "operations_per_byte",
        "l2_operations_per_byte",
        "tops",
        "gbps",
        "pct_roof",
    )
    return [{key: record.get(key) for key in keys} for record in (*ceilings, *map(_record, roof.points))]


def _record(point: Point) -> dict[str, object]:
    return {
        "kind": "row",
        "name": point.row.row_id,
        "series": point.series.label,
        "status": point.row.status,
        "operations_per_byte": point.intensity,
        "l2_operations_per_byte": point.l2_intensity,
        "tops": point.tops,
        "pct_roof": point.pct_roof,
    }
