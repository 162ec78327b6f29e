"""The timer stops when it knows enough, and its operands are cold."""

from __future__ import annotations

import math
import resource
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.measure.timer import (
    CACHE_MULTIPLE,
    MAX_OPERAND_SETS,
    Ballast,
    CpuTimer,
    Criterion,
    Timing,
    ballast_bytes,
    interquartile_range,
    median_noise,
    operand_sets,
)

STEADY = [10.0] * 10
NOISY = [5.0, 15.0] * 5


class TestCriterion:
    def test_steady_samples_stop_at_the_minimum(self) -> None:
        criterion = Criterion(min_samples=10, min_seconds=0.1)
        assert criterion.stopped_by(STEADY[:9], 0.1) == ""
        assert criterion.stopped_by(STEADY, 0.09) == ""
        assert criterion.stopped_by(STEADY, 0.1) == "noise"

    def test_noise_asks_for_more(self) -> None:
        criterion = Criterion(min_samples=10, max_samples=100)
        assert criterion.stopped_by(NOISY, 0.2) == ""
        assert criterion.stopped_by(NOISY * 10, 0.2) == "samples"

    def test_the_time_limit_holds_but_three_samples_are_taken(self) -> None:
        criterion = Criterion(max_seconds=1.0)
        assert criterion.stopped_by(NOISY[:2], 5.0) == ""
        assert criterion.stopped_by(NOISY[:3], 5.0) == "seconds"

    def test_a_limit_that_comes_with_the_goal_is_no_limit(self) -> None:
        assert Criterion(max_samples=10, max_seconds=0.1).stopped_by(STEADY, 0.2) == "noise"


def test_noise_of_the_median_shrinks_with_samples_and_ignores_outliers() -> None:
    values = [9.0, 10.0, 11.0] * 20
    assert median_noise(values) == pytest.approx(median_noise(values * 4) * 2, rel=0.05)
    assert median_noise([*values, 1e6]) == pytest.approx(median_noise(values), rel=0.05)
    assert median_noise([0.0, 0.0]) == math.inf


def test_interquartile_range() -> None:
    assert interquartile_range([7.0]) == 0.0
    assert interquartile_range([1.0, 2.0, 3.0, 4.0, 5.0]) == 2.0


@given(footprint=st.integers(1, 1 << 32), cache=st.integers(1 << 20, 1 << 30))
def test_a_rotation_touches_a_multiple_of_the_cache(footprint: int, cache: int) -> None:
    sets = operand_sets(footprint, cache)
    assert 1 <= sets <= MAX_OPERAND_SETS
    assert sets * (footprint + ballast_bytes(footprint, cache)) >= CACHE_MULTIPLE * cache


def test_large_operands_need_no_second_set() -> None:
    assert operand_sets(400 << 20, 32 << 20) == 1
    assert ballast_bytes(400 << 20, 32 << 20) == 0


class TestCpuTimer:
    def test_it_rotates_over_the_sets(self) -> None:
        calls: list[int] = []
        launches = [lambda i=i: calls.append(i) for i in range(3)]  # type: ignore[misc]
        timing = CpuTimer(Criterion(max_samples=6)).time(launches)
        assert len(timing.times_us) == 6
        assert calls == [0, 1, 2, 0] + [0, 1, 2] * 2  # every set warms up, the first twice
        assert (timing.l2_state, timing.timed_by, timing.batched_us) == ("rotated", "wall clock", None)
        assert timing.stopped_by in ("noise", "samples")

    def test_warming_up_slow_launches_ends_in_time(self) -> None:
        calls: list[int] = []

        def launch() -> None:
            calls.append(1)
            time.sleep(0.02)

        CpuTimer(Criterion(max_samples=3, max_seconds=0.03)).time([launch] * 50)
        assert len(calls) <= 2 + 1 + 3

    def test_it_measures_the_launch_and_not_the_ballast(self) -> None:
        criterion = Criterion(max_samples=5)
        timing = CpuTimer(criterion, Ballast(64 << 20)).time([lambda: time.sleep(0.002)])
        assert 2000 <= min(timing.times_us) < 6000  # the quickest: others share the core


def test_the_ballast_is_memory_and_not_the_zero_page() -> None:
    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    before = resident_bytes()
    ballast = Ballast(128 << 20)
    ballast.touch()
    assert resident_bytes() - before > 120 << 20


def test_timing_summary() -> None:
    timing = Timing((3.0, 1.0, 2.0), "rotated")
    assert timing.median_us == 2.0
    assert timing.iqr_us == 1.0
    assert timing.noise == median_noise([1.0, 2.0, 3.0])
