"""Where the names of a roofline's lines stand: peaks beside the picture, slopes along their lines, none on another.

Places are fractions of the axes, (0, 0) lower left. How much room a name takes depends on the canvas, so a plot and a
page ask for one layout each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import atan2, cos, degrees, hypot, sin
from typing import TYPE_CHECKING

from immabench.report.places import Box, Canvas, spread

if TYPE_CHECKING:
    from immabench.report.roofline import RoofLine, Roofline

CANDIDATES = 25
"""Places along a slope that are tried for its name."""
MARKER_COST = 4
"""A name under a marker loses a letter, one under a line stays readable."""
LABEL_COST = 1000
"""A place on another name is worse than one on any number of points that a label has room for."""

Place = tuple[float, float]


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
    markers, lines = [_on(canvas, place) for place in _marker_places(roof)], _line_places(roof, canvas)
    placed: list[Box] = []
    labels = []
    for line in roof.slope_lines():
        best = min(_candidates(roof, line, canvas), key=lambda box: _cost(box, markers, lines, placed))
        placed.append(best)
        labels.append(SlopeLabel(line, best.x / canvas.width, best.y / canvas.height, degrees(best.angle)))
    return labels


def _marker_places(roof: Roofline) -> list[Place]:
    """Of every point, of a profiled one both."""
    return [
        roof.place(intensity, point.tops * roof.unit.factor)
        for point in roof.points
        for intensity in (point.intensity, point.l2_intensity)
        if intensity
    ]


def _line_places(roof: Roofline, canvas: Canvas) -> list[Place]:
    """Along every line, so close that across a name a ceiling counts two or three times, a join once or twice."""
    near, far = 0.5 * canvas.line_height, canvas.line_height
    lines = (*roof.peak_lines(), *roof.slope_lines())
    joins = [(p.intensity, p.l2_intensity, p.tops * roof.unit.factor) for p in roof.points if p.l2_intensity]
    steps = [((one.x[0], one.y[0]), (one.x[1], one.y[1]), near) for one in lines]
    steps += [((low, rate), (high, rate), far) for high, low, rate in joins]
    ends = [(_on(canvas, roof.place(*start)), _on(canvas, roof.place(*end)), step) for start, end, step in steps]
    return [place for start, end, step in ends for place in _along(start, end, step)]


def _along(start: Place, end: Place, step: float) -> list[Place]:
    (x0, y0), (x1, y1) = start, end
    pieces = 1 + int(hypot(x1 - x0, y1 - y0) / step)
    return [(x0 + (x1 - x0) * n / pieces, y0 + (y1 - y0) * n / pieces) for n in range(pieces + 1)]


def _on(canvas: Canvas, place: Place) -> Place:
    return place[0] * canvas.width, place[1] * canvas.height


def _cost(box: Box, markers: list[Place], lines: list[Place], placed: list[Box]) -> int:
    wide = replace(box, width=box.width + box.height / 2, height=1.5 * box.height)  # markers have a size
    hidden = MARKER_COST * sum(wide.holds(*place) for place in markers) + sum(box.holds(*place) for place in lines)
    return hidden + LABEL_COST * sum(box.meets(other) for other in placed)


def _candidates(roof: Roofline, line: RoofLine, canvas: Canvas) -> list[Box]:
    """Boxes above the visible line from its lower end on, then below; only the middle of a line that is too short."""
    (x0, y0), (x1, y1) = (_on(canvas, roof.place(*end)) for end in zip(line.x, line.y, strict=True))
    length, angle = hypot(x1 - x0, y1 - y0), atan2(y1 - y0, x1 - x0)
    width, height = len(line.text) * canvas.letter, canvas.line_height
    first, last = width / 2 + height, length - width / 2  # away from the edge that the line comes from
    if last < first:
        first = last = length / 2
    along = [first + (last - first) * step / (CANDIDATES - 1) for step in range(CANDIDATES)]
    aside = 0.7 * height
    return [
        Box(x0 + t * cos(angle) - s * sin(angle), y0 + t * sin(angle) + s * cos(angle), width, height, angle)
        for s in (aside, -aside)
        for t in along
    ]
