"""Quantiles, warm-up and budget, on planted times."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.e2e import latency
from immabench.e2e.latency import Latency, quantile, warm_until_stable
from immabench.measure.timer import Criterion


class TestQuantile:
    def test_it_is_a_value_that_enough_others_do_not_exceed(self) -> None:
        assert quantile(list(range(1, 101)), 0.9) == 90
        assert quantile(list(range(1, 101)), 0.99) == 99

    @pytest.mark.parametrize(("share", "least"), [(0.9, 10), (0.99, 100)])
    def test_too_few_have_none(self, share: float, least: int) -> None:
        assert quantile([1.0] * (least - 1), share) is None
        assert quantile([1.0] * least, share) == 1.0

    @given(st.lists(st.floats(0, 1e6), min_size=10, max_size=300))
    def test_by_its_definition(self, values: list[float]) -> None:
        found = quantile(values, 0.9)
        assert found in values
        assert sum(value <= found for value in values) >= 0.9 * len(values)
        assert sum(value < found for value in values) < math.ceil(0.9 * len(values))


def test_latency_is_in_milliseconds() -> None:
    found = Latency.of([1000.0 * (1 + i % 5) for i in range(100)])
    assert (found.p50, found.p90, found.p99, found.runs) == (3.0, 5.0, 5.0, 100)
    assert found.interval is not None
    assert found.interval[0] <= 3.0 <= found.interval[1]


def test_few_runs_have_no_interval_and_no_tails() -> None:
    assert Latency.of([1000.0, 3000.0]) == Latency(2.0, None, None, None, 2)


class Planted:
    """Runs whose times are given, on a clock that moves by them alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times_us: Iterator[float]) -> None:
        self.now, self._times = 0.0, times_us
        monkeypatch.setattr(latency, "wall_us", self.wall_us)

    def wall_us(self, launch: object) -> float:
        took = next(self._times)
        self.now += 1e3 * took
        return took

    def clock(self) -> int:
        return int(self.now)


def planted(monkeypatch: pytest.MonkeyPatch, *times_us: float, then: float) -> Planted:
    def times() -> Iterator[float]:
        yield from times_us
        while True:
            yield then

    return Planted(monkeypatch, times())


def test_warm_up_waits_for_equal_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = planted(monkeypatch, 9e6, 80.0, 60.0, 40.0, 30.0, 20.0, then=10.0)
    # Runs 9 to 11 are the first whose three before, 20, 10 and 10, have the same median.
    assert warm_until_stable([lambda: None], 1.0, clock.clock) == 11


def test_warm_up_ends_with_its_seconds_but_not_before_three_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    grows = Planted(monkeypatch, iter([2e6 * 1.2**i for i in range(99)]))
    assert warm_until_stable([lambda: None], 1.0, grows.clock) == 4, "the first three may compile"


@pytest.mark.parametrize(("batch", "least"), [(1, 20), (8, 8)])
def test_the_budget_has_a_least_number_of_runs(monkeypatch: pytest.MonkeyPatch, batch: int, least: int) -> None:
    seen: list[Criterion] = []
    monkeypatch.setattr(latency, "CpuTimer", lambda criterion: seen.append(criterion) or _Nothing())
    monkeypatch.setattr(latency, "warm_until_stable", lambda launches, seconds: 3)
    latency.time_runs([lambda: None], batch, 0.5)
    (criterion,) = seen
    assert criterion.stopped_by([1.0, 2.0] * (least // 2 - 1), 99.0) == "", "whatever the time"
    assert criterion.stopped_by([1.0, 2.0] * (least // 2), 99.0) == "seconds"
    assert criterion.stopped_by([1.0, 2.0] * 500, 0.4) == "", "a median that is known does not end it"


class _Nothing:
    def time(self, launches: object) -> None:
        return None
