from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import ModuleType

import pytest

from immabench.report.document import Document
from immabench.report.roof_labels import Canvas, peak_labels, slope_labels
from immabench.report.roofline import Roofline, rooflines

CANVAS = Canvas(430, 270, 10.5, 4.7)


@pytest.fixture
def roof(gpu_document: Document) -> Roofline:
    return gpu_document.drawn_rooflines[0]


def test_names_of_peaks_are_a_line_of_text_apart_in_the_order_of_their_lines(roof: Roofline) -> None:
    labels = peak_labels(roof, CANVAS)
    assert [label.line.precision for label in labels] == ["f32", "bf16", "f16", "s8", "s4"]
    assert all(after.text_at - before.text_at >= 10.5 / 270 - 1e-9 for before, after in pairwise(labels))
    moved = {label.line.precision: label.text_at - label.line_at for label in labels}
    assert moved["s4"] == pytest.approx(0)
    assert moved["bf16"] < 0 < moved["f16"]  # 299 and 301: one line to the eye


def test_names_of_slopes_lie_along_them_and_apart(roof: Roofline) -> None:
    dram, l2 = slope_labels(roof, CANVAS)
    assert (dram.line.text, l2.line.text) == ("DRAM 1,800 GB/s, read", "L2 5,200 GB/s, read")
    assert dram.degrees == pytest.approx(l2.degrees)
    assert 0 < dram.degrees < 90
    for label in (dram, l2):
        (x0, y0), (x1, y1) = (roof.place(*end) for end in zip(label.line.x, label.line.y, strict=True))
        on_line = y0 + (y1 - y0) * (label.x - x0) / (x1 - x0)
        assert abs(label.y - on_line) * CANVAS.height < 1.2 * CANVAS.line_height


def test_a_name_moves_along_its_slope_out_of_the_way_of_points(synthetic_gpu: ModuleType) -> None:
    row = synthetic_gpu.rows()[0]
    (alone,) = rooflines([row], synthetic_gpu.meta())
    first = slope_labels(alone, CANVAS)[0]
    intensity, rate = (
        low * (high / low) ** share
        for (low, high), share in zip((alone.intensity_range, alone.rate_range), (first.x, first.y), strict=True)
    )
    under = replace(alone.points[0], intensity=intensity, tops=rate)
    moved = slope_labels(replace(alone, points=(*alone.points, under)), CANVAS)[0]
    assert abs(moved.x - first.x) + abs(moved.y - first.y) > 0.02
