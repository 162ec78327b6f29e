from __future__ import annotations

from itertools import combinations
from pathlib import Path
from types import ModuleType

import pytest

import immabench.report
from immabench.problem_rules import MIXED_TYPES, OPERAND_TYPES
from immabench.problems import precision_of
from immabench.report.palette import (
    COLOURS,
    DIVERGING,
    GREY,
    GRID,
    INK,
    MUTED,
    PAPER,
    PRECISION_COLOURS,
    SHAPES,
    STATUS_MARKERS,
    Series,
    css_variables,
    looks,
    precision_colour,
    precision_name,
    share_precisions,
)  # fmt: skip

LEAST_DISTANCE = 15.0
"""Of CIE 1976: six times what is just noticeable side by side, for points are small and apart."""
LEAST_CONTRAST = 3.0  # WCAG 2.2, 1.4.11: graphical objects
VISIONS = ("normal", "protanopia", "deuteranopia", "tritanopia")


@pytest.mark.parametrize("tone", ["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_any_two_colours_differ_in_every_colour_vision(colour_vision: ModuleType, vision: str, tone: str) -> None:
    for one, other in combinations((*COLOURS, INK), 2):
        found = colour_vision.distance(getattr(one, tone), getattr(other, tone), vision)
        assert found >= LEAST_DISTANCE, (one.name, other.name, found)


@pytest.mark.parametrize("tone", ["light", "dark"])
def test_every_colour_stands_out_from_its_page(colour_vision: ModuleType, tone: str) -> None:
    for one in (*COLOURS, INK, MUTED):
        found = colour_vision.contrast(getattr(one, tone), getattr(PAPER, tone))
        assert found >= LEAST_CONTRAST, (one.name, found)


def test_the_planted_faults_are_seen(colour_vision: ModuleType) -> None:
    assert colour_vision.distance("#ff0000", "#00ff00", "normal") > 150
    assert colour_vision.distance("#c00000", "#606000", "deuteranopia") < LEAST_DISTANCE
    assert colour_vision.contrast("#F0E442", "#ffffff") < LEAST_CONTRAST
    assert colour_vision.contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("vision", VISIONS)
def test_the_ends_of_the_diverging_scale_differ_from_its_middle_and_each_other(
    colour_vision: ModuleType, vision: str
) -> None:
    for one, other in combinations(DIVERGING, 2):
        assert colour_vision.distance(one, other, vision) > 30


def test_precisions_that_appear_together_have_colours_of_their_own() -> None:
    assert len(set(PRECISION_COLOURS.values())) == len(PRECISION_COLOURS)
    assert GREY not in PRECISION_COLOURS.values()


def test_every_precision_of_a_problem_has_a_name_of_its_own() -> None:
    pairs = [(kind, kind) for kind in OPERAND_TYPES] + list(MIXED_TYPES)
    names = [precision_name(precision_of(*pair)) for pair in pairs]
    assert len(set(names)) == len(pairs)
    assert not any("_" in name for name in names)
    assert precision_colour("f16_u4") == precision_colour("bf16_s4")


def test_providers_and_statuses_have_shapes_of_their_own() -> None:
    markers = [shape.marker for shape in SHAPES.values()] + [marker for _, marker in STATUS_MARKERS.values()]
    symbols = [shape.symbol for shape in SHAPES.values()] + [symbol for symbol, _ in STATUS_MARKERS.values()]
    assert len(set(markers)) == len(markers)
    assert len(set(symbols)) == len(symbols)


def test_a_provider_of_another_package_gets_a_shape_no_known_one_has() -> None:
    found = looks([Series("theirs", "s8"), Series("ours", "s8"), Series("handwritten", "s8")])
    assert len({look.shape for look in found.values()}) == 3
    assert {look.colour for look in found.values()} == {PRECISION_COLOURS["s8"]}


def test_bars_need_patterns_where_two_series_have_one_colour() -> None:
    alone = [Series("torch", "s8"), Series("torch", "f32")]
    assert not share_precisions(alone)
    assert share_precisions([*alone, Series("cutlass", "s8")])


def test_the_page_knows_every_colour_by_name() -> None:
    css = (Path(immabench.report.__file__).parent / "assets" / "report.css").read_text(encoding="utf-8")
    for one in (INK, MUTED, GRID, PAPER):
        assert f"--{one.name}: {one.light};" in css
        assert f"--{one.name}: {one.dark};" in css
    for one in COLOURS:
        assert f"--{one.name}: {one.light};" in css_variables().splitlines()[0]
        assert f"--{one.name}: {one.dark};" in css_variables().splitlines()[1]
