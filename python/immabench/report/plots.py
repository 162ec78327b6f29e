"""Static plots for a slide or a CI page: PNG and SVG, and beside each the numbers it shows as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.report.charts import case_label, gain_range, model_label
from immabench.report.formats import duration, log_ticks, number, tick_text
from immabench.report.palette import PRECISION_COLOURS, STATUS_MARKERS, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from immabench.report.document import Document
    from immabench.report.grids import Grid
    from immabench.report.models import ModelTotal
    from immabench.report.roofline import Point, Roofline
    from immabench.report.speed import Timing

INK, MUTED, GRID = "#1f2328", "#59636e", "#d8dee4"
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "immabench",
}


def write_plots(document: Document, folder: Path) -> list[str]:
    """Draw every plot that has data into ``folder``; returns their names, each with .png, .svg and .csv."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        return [name for name, figure, records in _figures(document) if save(folder / name, figure, records)]


def _figures(document: Document) -> Iterable[tuple[str, Figure, list[dict[str, Any]]]]:
    for roof in document.drawn_rooflines:
        yield f"roofline_{roof.device_kind}", roofline_plot(roof), roofline_records(roof)
    for kind, gains in document.gains.items():
        yield f"gain_{kind}", gain_plot(gains), gain_records(gains)
    totals = [total for total in document.totals if total.complete]
    if totals:
        yield "model_totals", model_plot(totals), model_records(totals)
    for grid in document.grids:
        yield f"emulation_{grid.name}", grid_plot(grid), grid_records(grid)


def save(stem: Path, figure: Figure, records: list[dict[str, Any]]) -> bool:
    """Write a figure as .png and .svg and its numbers as .csv, and close it; there must be numbers."""
    import matplotlib.pyplot as plt

    figure.savefig(stem.with_suffix(".png"), dpi=160)
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
    with stem.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    return True


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")


def _legend(axes: Axes, entries: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(entries, 4), borderaxespad=0.2, fontsize=8)


def roofline_plot(roof: Roofline) -> Figure:
    """Log-log roofline with labelled measured ceilings; one marker a row, its shape by status."""
    figure, axes = _axes(7.2, 4.6)
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity (operations per byte)")
    axes.set_ylabel(f"rate ({roof.unit.name})")
    _draw_roof(axes, roof)
    groups = _draw_points(axes, roof)
    axes.set(xlim=roof.intensity_range, ylim=roof.rate_range)
    _log_axis(axes.xaxis, *roof.intensity_range)
    _log_axis(axes.yaxis, *roof.rate_range)
    figure.suptitle(f"Measured roofline: {roof.device}", x=0.01, ha="left", fontsize=10, weight="bold")
    _legend(axes, groups)
    return figure


def _log_axis(axis: Axis, low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    axis.set_ticks(ticks, [tick_text(tick) for tick in ticks])
    axis.minorticks_off()


def _draw_roof(axes: Axes, roof: Roofline) -> None:
    low, high = roof.intensity_range
    factor = roof.unit.factor
    for peak in roof.peaks:
        y = peak.tops * factor
        axes.plot(
            [max(roof.knee(peak.tops), low), high], [y, y], color=PRECISION_COLOURS[peak.precision], lw=1.3, zorder=1
        )
    if roof.memory and roof.peaks:
        knee = roof.knee(roof.ridge_peak)
        slope = roof.memory.rate / 1e3 * factor
        axes.plot([low, knee], [low * slope, knee * slope], color=MUTED, lw=1.3, zorder=1)
        _note(axes, roof.memory_label, roof.memory_label_at, (-4, 2), ha="right", va="bottom")
    for tops, label in roof.peak_labels():
        _note(axes, label, (high, tops * factor), (0, 3), ha="right", va="bottom")


def _note(axes: Axes, label: str, at: tuple[float, float], offset: tuple[float, float], **align: Any) -> None:
    axes.annotate(label, at, xytext=offset, textcoords="offset points", fontsize=8, color=MUTED, **align)


def _draw_points(axes: Axes, roof: Roofline) -> int:
    palette = colours(point.series for point in roof.points)
    groups: dict[tuple[Any, str], list[Point]] = {}
    for point in roof.points:
        groups.setdefault((point.series, point.row.status), []).append(point)
    for (series, status), of in groups.items():
        axes.scatter(
            [point.intensity for point in of],
            [point.tops * roof.unit.factor for point in of],
            s=26,
            color=palette[series],
            marker=STATUS_MARKERS.get(status, ("", "o"))[1],
            edgecolors="white",
            linewidths=0.5,
            label=series.label if status == "ok" else f"{series.label}, {status}",
            zorder=3,
        )
    return len(groups)


def roofline_records(roof: Roofline) -> list[dict[str, Any]]:
    ceilings: list[dict[str, Any]] = [
        {"kind": "ceiling", "name": peak.precision, "series": peak.source, "tops": peak.tops} for peak in roof.peaks
    ]
    if roof.memory:
        ceilings.append({"kind": "ceiling", "name": roof.memory.source, "gbps": roof.memory.rate})
    points: list[dict[str, Any]] = [
        {
            "kind": "row",
            "name": point.row.row_id,
            "series": point.series.label,
            "status": point.row.status,
            "operations_per_byte": point.intensity,
            "tops": point.tops,
            "pct_roof": point.pct_roof,
        }
        for point in roof.points
    ]
    keys = ("kind", "name", "series", "status", "operations_per_byte", "tops", "gbps", "pct_roof")
    return [{key: record.get(key) for key in keys} for record in (*ceilings, *points)]


def gain_plot(gains: list[Timing]) -> Figure:
    """Times as fast as fp32, one line a case."""
    cases = list(dict.fromkeys(case_label(one) for one in gains))
    figure, axes = _axes(7.2, 1.2 + 0.2 * max(len(cases), 3))
    palette = colours(one.series for one in gains)
    place = {case: index for index, case in enumerate(cases)}
    for series in dict.fromkeys(one.series for one in gains):
        of = [one for one in gains if one.series == series]
        heights = [place[case_label(one)] for one in of]
        axes.scatter([one.speedup or 0.0 for one in of], heights, s=26, color=palette[series], label=series.label)
    axes.axvline(1, color=MUTED, lw=1.2)
    axes.set_yticks(range(len(cases)), cases, fontsize=8)
    axes.invert_yaxis()
    low, high = gain_range(gains)
    axes.set(xscale="log", xlim=(low, high))
    _log_axis(axes.xaxis, low, high)
    axes.set_xlabel("times as fast as fp32 (1 = equal)")
    _legend(axes, len(palette))
    return figure


def gain_records(gains: list[Timing]) -> list[dict[str, Any]]:
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


def model_plot(totals: list[ModelTotal]) -> Figure:
    """Matrix time of one forward pass, a group of bars a model."""
    models = list(dict.fromkeys(model_label(total) for total in totals))
    series = list(dict.fromkeys(total.series for total in totals))
    figure, axes = _axes(7.2, 1.2 + len(models) * (0.25 + 0.22 * len(series)))
    palette = colours(series)
    height = 0.8 / len(series)
    for index, one in enumerate(series):
        of = [total for total in totals if total.series == one]
        places = [models.index(model_label(total)) + index * height for total in of]
        bars = axes.barh(places, [t.microseconds / 1e3 for t in of], height * 0.92, color=palette[one], label=one.label)
        axes.bar_label(bars, [duration(total.microseconds) for total in of], padding=3, fontsize=8)
    axes.set_yticks([index + 0.4 - height / 2 for index in range(len(models))], models)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("matrix time of one forward pass (ms)")
    _legend(axes, len(series))
    return figure


def model_records(totals: list[ModelTotal]) -> list[dict[str, Any]]:
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


def grid_plot(grid: Grid) -> Figure:
    """Heat map of one emulated count over kernels and shapes."""
    import numpy as np

    values = np.array([[np.nan if cell is None else cell for cell in line] for line in grid.values], dtype=float)
    figure, axes = _axes(5.2 + 0.34 * len(grid.columns), 1.9 + 0.26 * len(grid.rows))
    colours_of = "cividis_r" if grid.lower_is_better else "cividis"
    image = axes.imshow(values, cmap=colours_of, vmin=grid.low, vmax=grid.high, aspect="auto")
    axes.set_xticks(range(len(grid.columns)), grid.columns, rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
    axes.set_yticks(range(len(grid.rows)), grid.labels, fontsize=7)
    axes.grid(visible=False)
    axes.set_title(f"{grid.title} ({grid.unit}), emulated", loc="left", fontsize=10, weight="bold")
    if len(grid.columns) <= 24:
        _label_cells(axes, grid)
    figure.colorbar(image, ax=axes, label=grid.unit, pad=0.01)
    return figure


def _label_cells(axes: Axes, grid: Grid) -> None:
    middle = (grid.low + grid.high) / 2
    for i, line in enumerate(grid.values):
        for j, cell in enumerate(line):
            if cell is not None:
                colour = "black" if (cell > middle) != grid.lower_is_better else "white"
                axes.text(j, i, number(cell, 2), ha="center", va="center", fontsize=6, color=colour)


def grid_records(grid: Grid) -> list[dict[str, Any]]:
    unit = {"%": "percent", "×": "ratio"}[grid.unit]
    return [
        {"kernel_id": kernel, "shape": shape, f"{grid.name}_{unit}": cell}
        for kernel, line in zip(grid.rows, grid.values, strict=True)
        for shape, cell in zip(grid.columns, line, strict=True)
    ]
