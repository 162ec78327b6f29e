from __future__ import annotations

from itertools import combinations, pairwise
from math import pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.report.places import Box, spread, stack

shares = st.lists(st.floats(0, 1), max_size=12).map(sorted)


@given(shares, st.floats(0.001, 0.05))
def test_spread_places_are_apart_in_order_and_inside(places: list[float], gap: float) -> None:
    found = spread(places, gap, 0.0, 1.0)
    assert len(found) == len(places)
    assert all(after - before >= gap - 1e-9 for before, after in pairwise(found))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found)


@given(shares, st.floats(0.001, 0.05))
def test_places_that_are_apart_stay(places: list[float], gap: float) -> None:
    found = spread(places, gap, 0.0, 1.0)
    assert spread(found, gap, 0.0, 1.0) == pytest.approx(found)


def test_two_at_one_place_move_apart_by_the_same_way() -> None:
    assert spread([0.5, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.45, 0.55])
    assert spread([0.2, 0.5, 0.5, 0.52], 0.1, 0.0, 1.0) == pytest.approx([0.2, 0.40667, 0.50667, 0.60667], abs=1e-4)
    assert spread([1.0, 1.0], 0.1, 0.0, 1.0) == pytest.approx([0.9, 1.0])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 0.5)), max_size=10))
def test_labels_of_one_level_do_not_meet(labels: list[tuple[float, float]]) -> None:
    levels = stack([middle for middle, _ in labels], [width for _, width in labels])
    for (one, here), (other, there) in combinations(zip(labels, levels, strict=True), 2):
        if here == there:
            assert abs(one[0] - other[0]) >= (one[1] + other[1]) / 2 - 1e-9
    assert set(levels) == set(range(max(levels, default=-1) + 1))


def test_a_label_with_room_stays_low() -> None:
    assert stack([0.1, 0.15, 0.9], [0.2, 0.2, 0.1]) == [0, 1, 0]


def test_a_turned_box_holds_what_is_along_it() -> None:
    box = Box(0, 0, 10, 2, pi / 4)
    assert box.holds(3, 3)
    assert not box.holds(3, -3)
    assert box.at(0.5, 0) == pytest.approx((5 * 2**-0.5, 5 * 2**-0.5))


def test_boxes_meet_where_they_share_a_point() -> None:
    box = Box(0, 0, 10, 2, 0)
    assert box.meets(Box(0, 0, 10, 2, pi / 2))
    assert box.meets(Box(9, 0, 10, 2, 0))
    assert not box.meets(Box(11, 0, 10, 2, 0))
    assert not box.meets(Box(0, 2.5, 10, 2, 0))
