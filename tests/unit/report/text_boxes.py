"""Where the texts of a matplotlib figure stand, turned ones too, and which of them overlap."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

TOLERANCE = 1.0  # pixels: the boxes of texts include a little air


def texts(figure: Figure) -> list[Text]:
    """Every text that is drawn."""
    figure.canvas.draw()
    beyond = _beyond_their_axes(figure)
    return [text for text in figure.findobj(Text) if _drawn(text) and text not in beyond]


def _beyond_their_axes(figure: Figure) -> set[Text]:
    """Labels of ticks that a locator made outside the axes: matplotlib does not draw them."""
    found = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            found |= set() if low <= tick.get_loc() <= high else {tick.label1, tick.label2}
    return found


def _drawn(text: Any) -> bool:
    return bool(text.get_visible() and text.get_text().strip())


def corners(text: Text) -> np.ndarray:
    """[4, 2] in pixels, turned about its anchor as matplotlib turns it."""
    angle = text.get_rotation()
    if angle % 90 == 0:
        return text.get_window_extent().corners()[[0, 1, 3, 2]]
    assert text.get_rotation_mode() == "anchor"
    text.set_rotation(0)
    flat = text.get_window_extent().corners()[[0, 1, 3, 2]]
    text.set_rotation(angle)
    middle = text.get_transform().transform(text.get_position())
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return middle + (flat - middle) @ np.array([[cos, sin], [-sin, cos]])


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two convex quadrilaterals share more than the tolerance: no side of either parts them."""
    if (one.max(axis=0) < other.min(axis=0)).any() or (other.max(axis=0) < one.min(axis=0)).any():
        return False
    for shape in (one, other):
        for start, end in zip(shape, np.roll(shape, -1, axis=0), strict=True):
            normal = np.array([end[1] - start[1], start[0] - end[0]]) / np.hypot(*(end - start))
            here, there = one @ normal, other @ normal
            if here.max() <= there.min() + TOLERANCE or there.max() <= here.min() + TOLERANCE:
                return False
    return True


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts, one on the other."""
    found = [(text.get_text(), corners(text)) for text in texts(figure)]
    return [(one, other) for (one, a), (other, b) in combinations(found, 2) if overlap(a, b)]


def cut_off(figure: Figure) -> list[str]:
    """Texts that reach beyond the figure."""
    width, height = figure.bbox.size
    size = np.array([width, height])
    return [text.get_text() for text in texts(figure) if _outside(corners(text), size)]


def _outside(shape: np.ndarray, size: np.ndarray) -> bool:
    return bool((shape < -TOLERANCE).any() or (shape > size + TOLERANCE).any())
