"""The streaming histogram is that of all values at once, whatever the batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="calibration is torch's: pip install 'immabench[models]'")

from immabench.quantize.histogram import HALF, Histogram  # noqa: E402

# Quotients with the widest bin of such values are no subnormal numbers, whose place beside 0 may be either.
VALUES = st.one_of(
    st.floats(-1e6, 1e6, width=32).filter(lambda x: abs(x) > 1e-20), st.sampled_from([0.0, -0.0, 1.0, -1.0, 8192.0])
)
BATCHES = st.lists(st.lists(VALUES, min_size=1, max_size=20), min_size=1, max_size=8)


def added(batches: list[list[float]]) -> Histogram:
    histogram = Histogram()
    for batch in batches:
        histogram.add(torch.tensor(batch, dtype=torch.float32), max(map(abs, batch)))
    return histogram


@given(BATCHES)
def test_counts_are_those_of_all_values_at_once(batches: list[list[float]]) -> None:
    histogram = added(batches)
    values = np.array([x for batch in batches for x in batch], np.float64)
    edges = np.arange(-HALF, HALF + 1) * histogram.width
    # Python's floor of exact quotients: numpy's histogram puts the last edge itself into the last bin.
    places = np.floor(values / histogram.width).astype(int) + HALF
    assert np.array_equal(histogram.counts, np.bincount(places, minlength=2 * HALF))
    assert (edges[0] <= values).all()
    assert (values < edges[-1]).all()
    assert histogram.total == len(values)


@given(BATCHES, st.randoms(use_true_random=False))
def test_neither_order_nor_batches_matter(batches: list[list[float]], random: object) -> None:
    once = added([[x for batch in batches for x in batch]])
    random.shuffle(batches)  # type: ignore[attr-defined]
    for other in (added(batches), merged(batches)):
        assert other.width == once.width
        assert np.array_equal(other.counts, once.counts)


def merged(batches: list[list[float]]) -> Histogram:
    """Each batch by itself, then together, as several processes would."""
    parts = [added([batch]) for batch in batches]
    for part in parts[1:]:
        parts[0].merge(part)
    return parts[0]


def test_the_widest_side_fills_half_of_its_bins() -> None:
    for largest in (1e-30, 0.999, 1.0, 1.001, 3.4e38):
        histogram = added([[largest]])
        assert HALF // 2 <= largest / histogram.width < HALF
        assert math.frexp(histogram.width)[0] == 0.5, "the width is a power of two"


def test_zeros_alone_are_counted_and_leave_the_width_to_what_comes() -> None:
    histogram = added([[0.0, 0.0]])
    assert histogram.counts[HALF] == 2
    histogram.add(torch.tensor([5.0]), 5.0)
    assert histogram.counts[HALF] == 2
    assert (histogram.total, histogram.width) == (3, 8 / HALF)


def test_memory_does_not_grow() -> None:
    histogram = added([[1.0]])
    before = histogram.counts.nbytes
    for exponent in range(20):
        histogram.add(torch.full((100,), 2.0**exponent), 2.0**exponent)
    assert histogram.counts.nbytes == before
