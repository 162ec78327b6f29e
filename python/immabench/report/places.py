"""Where labels of a picture stand so that none is on another: along a side, above a side, along a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin


@dataclass(frozen=True)
class Canvas:
    """The axes of a picture, and its letters: all in one unit, points or pixels."""

    width: float
    height: float
    line_height: float
    letter: float  # mean width of one


@dataclass(frozen=True)
class Box:
    """A rectangle in canvas units, turned by `angle` about its middle."""

    x: float
    y: float
    width: float
    height: float
    angle: float

    def holds(self, x: float, y: float) -> bool:
        along, across = self._own(x, y)
        return abs(along) <= self.width / 2 and abs(across) <= self.height / 2

    def meets(self, other: Box) -> bool:
        """Whether two boxes share a point, by their corners and middle lines; names of slopes are long and thin."""
        steps = [step / 10 - 0.5 for step in range(11)]
        return any(self.holds(*other.at(s, t)) or other.holds(*self.at(s, t)) for s in steps for t in (-0.5, 0, 0.5))

    def at(self, along: float, across: float) -> tuple[float, float]:
        """The point at these shares of width and height from the middle."""
        u, v = along * self.width, across * self.height
        return self.x + u * cos(self.angle) - v * sin(self.angle), self.y + u * sin(self.angle) + v * cos(self.angle)

    def _own(self, x: float, y: float) -> tuple[float, float]:
        dx, dy = x - self.x, y - self.y
        return dx * cos(self.angle) + dy * sin(self.angle), dy * cos(self.angle) - dx * sin(self.angle)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places moved as little as possible (least squares) until `gap` apart and within [low, high].

    Isotonic regression of what is left of each place without the gaps below it, by pooling adjacent violators.
    """
    pools: list[tuple[float, int]] = []
    for index, place in enumerate(places):
        mean, count = place - index * gap, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    fitted = [mean for mean, count in pools for _ in range(count)]
    most = max(low, high - (len(places) - 1) * gap)
    return [min(max(mean, low), most) + index * gap for index, mean in enumerate(fitted)]


def stack(middles: Sequence[float], widths: Sequence[float]) -> list[int]:
    """The level of each label above a side, 0 the lowest: the first where it meets no label that was placed before."""
    levels: list[list[tuple[float, float]]] = []
    found = []
    for middle, width in zip(middles, widths, strict=True):
        low, high = middle - width / 2, middle + width / 2
        free = (n for n, taken in enumerate(levels) if all(high <= other or low >= end for other, end in taken))
        level = next(free, len(levels))
        if level == len(levels):
            levels.append([])
        levels[level].append((low, high))
        found.append(level)
    return found
