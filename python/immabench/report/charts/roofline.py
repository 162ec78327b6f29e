"""The roofline on the page."""

from __future__ import annotations

from math import log10

from immabench.readable import duration, number, shape_text
from immabench.report.charts.style import (
    LEGEND,
    LETTER,
    PAGE_WIDTH,
    Figure,
    legend_pixels,
    line,
    log_axis,
    points,
    series_name,
    symbol_of,
    title,
)  # fmt: skip
from immabench.report.palette import Look, Series, looks, precision_colour
from immabench.report.roof_labels import Canvas, PeakLabel, SlopeLabel, peak_labels, slope_labels
from immabench.report.roofline import Point, RoofLine, Roofline

MOST_POINTS = 5000
"""Points of one roofline on the page; a browser draws so many without delay."""
CROWD = 300
"""More points than this are drawn small."""
PLOT_HEIGHT = 430
MARGIN = {"l": 64, "b": 52}
LEADER = 0.016
"""From a line's end to its name, in widths of the plot."""


def roofline_chart(roof: Roofline) -> Figure:
    """Log-log: measured ceilings solid, the data sheet's dashed, one marker a timed row."""
    traces = _point_traces(roof)
    lines = [_roof_line(one) for one in (*roof.slope_lines(), *roof.peak_lines())]
    top = 24 + legend_pixels(trace["name"] for trace in traces if trace.get("showlegend", True))
    layout = {
        "xaxis": log_axis(roof.intensity_title, *roof.intensity_range),
        "yaxis": log_axis(f"rate ({roof.unit.name})", *roof.rate_range),
        "legend": LEGEND,
        "height": PLOT_HEIGHT + top + MARGIN["b"],
        **_names(roof, top),
    }
    if len(roof.points) > MOST_POINTS:
        layout["title"] = title(f"the first {MOST_POINTS:,} of {len(roof.points):,} timed rows; all are in rows.csv")
    return {"data": [*lines, *_profiled_lines(roof), *traces], "layout": layout}


def _names(roof: Roofline, top: int) -> Figure:
    """Names of all lines, and a margin as wide as those of peaks need it."""
    right = 24 + round(LETTER * max((len(one.text) for one in roof.peak_lines()), default=0))
    canvas = Canvas(PAGE_WIDTH - MARGIN["l"] - right, PLOT_HEIGHT, 17, LETTER)
    peaks, slopes = peak_labels(roof, canvas), slope_labels(roof, canvas)
    return {
        "margin": {**MARGIN, "r": right, "t": top},
        "annotations": [*(_peak_text(roof, one) for one in peaks), *(_slope_text(roof, one) for one in slopes)],
        "shapes": [_leader(roof, one) for one in peaks],
    }


def _colour(of: RoofLine) -> str:
    return precision_colour(of.precision).on_page if of.precision else "@muted"


def _roof_line(one: RoofLine) -> Figure:
    width, dash = (1.8, "solid") if one.measured else (1.0, "dash")
    return line(one.x, one.y, _colour(one), width, dash) | {"name": one.text}


def _text(text: str) -> Figure:
    return {"text": text, "showarrow": False, "font": {"color": "@muted", "size": 12}}


def _peak_text(roof: Roofline, one: PeakLabel) -> Figure:
    place = {"xref": "paper", "x": 1 + LEADER, "xshift": 2, "y": log10(roof.at(1, one.text_at)[1])}
    return _text(one.line.text) | place | {"xanchor": "left", "yanchor": "middle"}


def _leader(roof: Roofline, one: PeakLabel) -> Figure:
    """From the end of a line to its name, beside the plot."""
    ends = {"x0": 1, "x1": 1 + LEADER, "y0": one.line.y[1], "y1": roof.at(1, one.text_at)[1]}
    return {"type": "line", "xref": "paper", **ends, "line": {"color": _colour(one.line), "width": 1}}


def _slope_text(roof: Roofline, one: SlopeLabel) -> Figure:
    """The page turns what is called a slope with the slopes: their angle depends on its width."""
    intensity, rate = roof.at(one.x, one.y)
    place = {"x": log10(intensity), "y": log10(rate), "textangle": -one.degrees, "name": "slope"}
    return _text(one.line.text) | place | {"xanchor": "center", "yanchor": "middle"}


def _profiled_lines(roof: Roofline) -> list[Figure]:
    """The two intensities of each profiled row, joined."""
    palette = looks(point.series for point in roof.points)
    return [
        line([p.l2_intensity, p.intensity], [p.tops * roof.unit.factor] * 2, palette[p.series].colour.on_page, 1)
        for p in roof.points[:MOST_POINTS]
        if p.l2_intensity
    ]


def _point_traces(roof: Roofline) -> list[Figure]:
    palette = looks(point.series for point in roof.points)
    groups: dict[tuple[Series, str], list[Point]] = {}
    for point in roof.points[:MOST_POINTS]:
        groups.setdefault((point.series, point.row.status), []).append(point)
    ordered = sorted(groups.items(), key=lambda item: (list(palette).index(item[0][0]), item[0][1] != "ok"))
    traces = [_points(roof, of, palette[series], series, status) for (series, status), of in ordered]
    hollow = [(series, [point for point in of if point.profiled]) for (series, _), of in ordered]
    return traces + [_l2_points(roof, of, palette[series], series) for series, of in hollow if of]


def _points(roof: Roofline, of: list[Point], look: Look, series: Series, status: str) -> Figure:
    size, opacity = (9, 0.9) if len(roof.points) <= CROWD else (6, 0.6)
    marker = {"color": look.colour.on_page, "symbol": symbol_of(look, status), "size": size, "opacity": opacity}
    return {
        **points(series_name(series, status), [point.row for point in of], [_hover(point, roof) for point in of]),
        "legendgroup": series.label,
        "x": [point.intensity for point in of],
        "y": [roof.unit.of(point.tops) for point in of],
        "marker": marker | {"line": {"width": 1, "color": "@paper" if status == "ok" else look.colour.on_page}},
    }


def _l2_points(roof: Roofline, of: list[Point], look: Look, series: Series) -> Figure:
    """The same rows at the intensity of their L2 traffic, hollow."""
    marker = {"color": look.colour.on_page, "symbol": f"{look.shape.symbol}-open", "size": 7}
    return {
        **points(series.label, [point.row for point in of], [_hover(point, roof) for point in of]),
        "legendgroup": series.label,
        "showlegend": False,
        "x": [point.l2_intensity for point in of],
        "y": [roof.unit.of(point.tops) for point in of],
        "marker": marker,
    }


def _hover(point: Point, roof: Roofline) -> str:
    row = point.row
    traffic = f"{number(point.intensity)} op/byte"
    if point.l2_intensity:
        traffic += f" of DRAM, {number(point.l2_intensity)} of L2 traffic"
    lines = [
        f"<b>{row.case or row.suite}</b> {shape_text(row.sizes)}",
        f"{row.kernel_id} ({row.backend})",
        f"{duration(row.time_us_median)}, {roof.unit.text(point.tops)}, {traffic}",
        "no measured roof" if point.pct_roof is None else f"{number(point.pct_roof)} % of the measured roof",
    ]
    return "<br>".join(lines + ([] if row.status == "ok" else [f"{row.status}: {row.reason}"]))
