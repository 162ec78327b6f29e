"""Where the names of a roofline's lines stand: peaks beside the picture, slopes along their lines, none on another.

Places are fractions of the axes, (0, 0) lower left. How much room a name takes depends on the canvas, so a plot and a
page ask for one layout each.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, sin
from typing import TYPE_CHECKING

from immabench.report.places import Box, Canvas, spread

if TYPE_CHECKING:
    from immabench.report.roofline import Point, RoofLine, Roofline

CANDIDATES = 25
"""Places along a slope that are tried for its name."""
JOINED, PIECES = 12, 60
"""Pieces that a line between the two places of a profiled point, and any other, count as."""
LABEL_COST = 1000
"""A place on another name is worse than one on any number of points that a label has room for."""


@dataclass(frozen=True)
class PeakLabel:
    """The name of a peak, right of the axes: its line ends at the height `line_at`, text is centred at `text_at`."""

    line: RoofLine
    line_at: float
    text_at: float


@dataclass(frozen=True)
class SlopeLabel:
    """The name of a slope, centred at (x, y) and turned by `degrees` counterclockwise."""

    line: RoofLine
    x: float
    y: float
    degrees: float


def peak_labels(roof: Roofline, canvas: Canvas) -> list[PeakLabel]:
    """Names of the peaks from low to high, moved apart where their lines are closer than a line of text."""
    lines = sorted(roof.peak_lines(), key=lambda line: line.y[1])
    heights = [roof.place(*end)[1] for end in ((line.x[1], line.y[1]) for line in lines)]
    gap = canvas.line_height / canvas.height
    placed = spread(heights, gap, gap / 2, 1.0 - gap / 2)
    return [PeakLabel(*one) for one in zip(lines, heights, placed, strict=True)]


def slope_labels(roof: Roofline, canvas: Canvas) -> list[SlopeLabel]:
    """Names along the slopes, each where it meets the fewest points and lines, and no other name."""
    places = [place for point in roof.points for place in _drawn_at(roof, point)]
    points = [_on(canvas, place) for place in places + _lines_at(roof)]
    placed: list[Box] = []
    labels = []
    for line in roof.slope_lines():
        boxes = _candidates(roof, line, canvas)
        best = min(boxes, key=lambda box: _hidden(box, points, placed))
        placed.append(best)
        labels.append(SlopeLabel(line, best.x / canvas.width, best.y / canvas.height, degrees(best.angle)))
    return labels


def _drawn_at(roof: Roofline, point: Point) -> list[tuple[float, float]]:
    """The places of a point: of a profiled one also some on the line that joins its two."""
    ends = (point.intensity, point.l2_intensity or point.intensity)
    (x0, y), (x1, _) = (roof.place(end, point.tops * roof.unit.factor) for end in ends)
    return [(x0 + (x1 - x0) * step / JOINED, y) for step in range(JOINED + 1)] if point.profiled else [(x0, y)]


def _lines_at(roof: Roofline) -> list[tuple[float, float]]:
    """Places on the lines: a name across one is read less easily, its own it only stands beside."""
    shares = [step / PIECES for step in range(PIECES + 1)]
    lines = (*roof.peak_lines(), *roof.slope_lines())
    ends = [(roof.place(line.x[0], line.y[0]), roof.place(line.x[1], line.y[1])) for line in lines]
    return [(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) for (x0, y0), (x1, y1) in ends for share in shares]


def _on(canvas: Canvas, place: tuple[float, float]) -> tuple[float, float]:
    return place[0] * canvas.width, place[1] * canvas.height


def _hidden(box: Box, points: list[tuple[float, float]], placed: list[Box]) -> int:
    return sum(box.holds(*point) for point in points) + LABEL_COST * sum(box.meets(other) for other in placed)


def _candidates(roof: Roofline, line: RoofLine, canvas: Canvas) -> list[Box]:
    """Boxes above the visible line from its lower end on, then below; only the middle of a line that is too short."""
    (x0, y0), (x1, y1) = (_on(canvas, roof.place(*end)) for end in zip(line.x, line.y, strict=True))
    length, angle = hypot(x1 - x0, y1 - y0), atan2(y1 - y0, x1 - x0)
    width, height = len(line.text) * canvas.letter, canvas.line_height
    first, last = width / 2 + height, length - width / 2  # away from the edge that the line comes from
    if last < first:
        first = last = length / 2
    along = [first + (last - first) * step / (CANDIDATES - 1) for step in range(CANDIDATES)]
    aside = 0.65 * height
    return [
        Box(x0 + t * cos(angle) - s * sin(angle), y0 + t * sin(angle) + s * cos(angle), width, height, angle)
        for s in (aside, -aside)
        for t in along
    ]
