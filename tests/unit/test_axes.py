"""Axes: every form says what it means, and what cannot be read says what to write."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.axes import AxisError, axis_values

SIZES = st.integers(1, 10**9)


@given(SIZES)
def test_a_number_is_one_size_however_it_is_written(size: int) -> None:
    assert axis_values(size) == axis_values(str(size)) == axis_values([size]) == (size,)


@given(st.lists(SIZES, min_size=1, max_size=50, unique=True))
def test_a_list_keeps_its_order(sizes: list[int]) -> None:
    assert axis_values(sizes) == axis_values(",".join(map(str, sizes))) == tuple(sizes)


def test_text_forms_are_joined_by_commas() -> None:
    assert axis_values("1, pow2:16:64,100:110:5") == (1, 16, 32, 64, 100, 105, 110)


@given(SIZES, st.integers(1, 10**6), st.integers(0, 500), st.integers(0, 10**6))
def test_steps_include_the_end_they_reach_and_pass_none(first: int, step: int, count: int, beyond: int) -> None:
    last = first + step * count
    expected = [first + step * i for i in range(count + 1)]
    assert list(axis_values(f"{first}:{last}:{step}")) == expected
    assert list(axis_values(f"{first}:{last + beyond % step}:{step}")) == expected


@given(st.integers(0, 30), st.integers(0, 8))
def test_powers_of_two_include_both_ends(low: int, more: int) -> None:
    assert list(axis_values(f"pow2:{2**low}:{2 ** (low + more)}")) == [2**e for e in range(low, low + more + 1)]


@given(st.text(max_size=20) | st.from_regex(r"\A(pow2:)?[0-9]{0,3}(:[0-9]{0,3}){0,3}\Z"))
def test_any_text_is_an_axis_or_a_refusal(text: str) -> None:
    with contextlib.suppress(AxisError):
        values = axis_values(text)
        assert values
        assert min(values) >= 1
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("1:10", "is not an axis"),
        ("a:b:c", "is not an axis"),
        ("-1:3:1", "is not an axis"),
        ("pow3:1:9", "is not an axis"),
        ("9" * 5000, "is not an axis"),
        ("", "is not an axis"),
        ("4:2:1", "is empty"),
        ("1:4:0", "is empty"),
        ("1:100000000000:1", "more than 10000"),
        ("pow2:3:24", "powers of two"),
        ("pow2:64:16", "powers of two"),
        ("0:4:1", "sizes start at 1"),
        (0, "sizes start at 1"),
        ([4, -2], "sizes start at 1"),
        ([1, 2, 1], "holds 1 twice"),
        ([], "at least one value"),
        (1.5, "not a whole number"),
        (True, "not a whole number"),
        (["64"], "not a whole number"),
        ({"a": 1}, "not a whole number"),
    ],
)
def test_refusals(written: object, complaint: str) -> None:
    with pytest.raises(AxisError, match=complaint) as caught:
        axis_values(written)
    assert caught.value.remedy
