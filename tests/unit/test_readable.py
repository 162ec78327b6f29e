from __future__ import annotations

import math

import pytest

from immabench.readable import data_size, duration, join, number, plural, rate_unit, ratio


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0.0, "0"),
        (7, "7"),
        (12345, "12,345"),
        (1234.5, "1,234"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (-1.5, "-1.50"),
    ],
)
def test_number_has_three_digits_and_groups_thousands(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0.5, "500 ns"), (12.0, "12.0 µs"), (1500.0, "1.50 ms"), (2.5e6, "2.50 s"), (None, "–")],
)
def test_duration_chooses_its_unit(microseconds: float | None, text: str) -> None:
    assert duration(microseconds) == text


def test_small_helpers() -> None:
    assert data_size(1536) == "1.50 KiB"
    assert data_size(12) == "12 B"
    assert plural(1, "row") == "1 row"
    assert plural(1200, "row") == "1,200 rows"
    assert join([]) == ""
    assert join(["a"]) == "a"
    assert join(["a", "b", "c"]) == "a, b and c"
    assert ratio(3.14159) == "3.14×"


def test_rate_unit_suits_the_largest_rate() -> None:
    assert rate_unit([0.2, None, 0.9]).text(0.2) == "200 Gop/s"
    assert rate_unit([700.0, 0.2]).text(700.0) == "700 Top/s"
