"""Intervals and verdicts: their algebra, and how often they are wrong on runs with drift, outliers and throttling.

The rates are printed (`pytest -s`), recorded as properties of the test, and part of the assertion's message.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from immabench.measure.ab import Goal
from immabench.measure.statistics import (
    BATCHES,
    Estimate,
    batch_medians,
    geometric_mean,
    half_width,
    interval_ranks,
    judge,
    least_samples,
    median_interval,
    paired_ratio_interval,
    rank_correlation,
    ratio_interval,
    runs_ratio_interval,
)

TRIALS = 2000
INDEPENDENT = 10**6
"""As many batches as samples: what a method that takes the samples for independent does."""

Rates = Callable[[str, Callable[[np.random.Generator], str]], "Counter[str]"]
times = st.lists(st.floats(1e-2, 1e6), min_size=1, max_size=150)
enough_times = st.lists(st.floats(1e-2, 1e6), min_size=8, max_size=150)


def environment(random: np.random.Generator, samples: int, drift: float = 0.015) -> NDArray[np.float64]:
    """What the machine does to every launch of a run, as factors: slow drift, in 30 % of runs a throttled stretch."""
    time = np.linspace(0, 1, samples)
    wave = np.sin(2 * np.pi * (random.uniform(0.25, 1) * time + random.random()))
    factors = 1 + random.uniform(-drift, drift) * (time if random.random() < 0.5 else wave)
    if random.random() < 0.3:
        length = max(1, int(samples * random.uniform(0.05, 0.2)))
        start = random.integers(0, samples - length + 1)
        factors[start : start + length] *= random.uniform(1.1, 1.4)
    return factors


def noise(random: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Lognormal noise of 1 to 3 %, and 2 % of outliers that take 1.5 to 5 times as long."""
    factors = np.exp(random.normal(0, random.uniform(0.01, 0.03), samples))
    outliers = random.random(samples) < 0.02
    factors[outliers] *= random.uniform(1.5, 5, outliers.sum())
    return factors


def shift(random: np.random.Generator) -> float:
    """What differs from run to run and stays for all of one: placement in memory, for example."""
    return 1 + random.uniform(-0.005, 0.005)


def one_run(random: np.random.Generator, samples: int, slower: float = 1.0) -> list[float]:
    """The times of one run in microseconds."""
    return list(100 * slower * shift(random) * environment(random, samples) * noise(random, samples))


def one_paired_run(random: np.random.Generator, slower: float, drift: float, blocks: int = 1024) -> str:
    """`ab` on two sides that share an environment, stopped as `ab` stops; returns the verdict."""
    launches = np.log(environment(random, 4 * blocks, drift) * noise(random, 4 * blocks)).reshape(blocks, 4)
    # first-second-second-first, or the other way round
    signs = np.where(random.random((blocks, 1)) < 0.5, [-1, 1, 1, -1], [1, -1, -1, 1])
    logs = (signs * launches).sum(axis=1) / 2 + math.log(slower * shift(random) / shift(random))
    goal, taken = Goal(), Goal().first_look // 2
    while not goal.reached(found := paired_ratio_interval(logs[:taken].tolist())) and taken < blocks:
        taken = min(blocks, goal.next_look(2 * taken) // 2)
    return judge(found)[0]


@pytest.fixture
def rates(record_property: Callable[[str, object], None]) -> Rates:
    """Run TRIALS trials of a seeded experiment and say how often it gave which verdict."""

    def counted(name: str, experiment: Callable[[np.random.Generator], str]) -> Counter[str]:
        random = np.random.default_rng(20261121)
        seen = Counter(experiment(random) for _ in range(TRIALS))
        text = ", ".join(f"{verdict} {100 * count / TRIALS:.2f} %" for verdict, count in seen.most_common())
        print(f"\n{name}, {TRIALS} trials: {text}")
        record_property(name, text)
        return seen

    return counted


def false_share(seen: Counter[str]) -> float:
    """The share of trials in which two identical builds were told apart."""
    return (seen["SLOWER"] + seen["FASTER"]) / TRIALS


class TestRatesOfCompare:
    @pytest.mark.parametrize("samples", [50, 200, 1000])
    def test_identical_builds_are_told_apart_in_at_most_1_percent(self, rates: Rates, samples: int) -> None:
        seen = rates(f"identical, {samples} samples", lambda r: verdict(one_run(r, samples), one_run(r, samples)))
        assert false_share(seen) <= 0.01, seen

    @pytest.mark.parametrize("samples", [200, 1000])
    @pytest.mark.parametrize(("slower", "right"), [(1.05, "SLOWER"), (1 / 1.05, "FASTER")])
    def test_5_percent_is_seen_in_at_least_95_percent(
        self, rates: Rates, samples: int, slower: float, right: str
    ) -> None:
        seen = rates(
            f"5 % {right}, {samples} samples", lambda r: verdict(one_run(r, samples), one_run(r, samples, slower))
        )
        assert seen[right] / TRIALS >= 0.95, seen
        assert seen["SLOWER"] + seen["FASTER"] == seen[right]

    def test_taking_correlated_samples_for_independent_breaks_the_bound(self, rates: Rates) -> None:
        def compared(batches: int) -> Callable[[np.random.Generator], str]:
            return lambda random: verdict(wandering(random), wandering(random), batches)

        assert false_share(rates("identical, wandering, in batches", compared(BATCHES))) <= 0.01
        assert false_share(rates("identical, wandering, as if independent", compared(INDEPENDENT))) > 0.02


class TestRatesOfAb:
    @pytest.mark.parametrize("drift", [0.015, 0.1])
    def test_identical_sides_are_told_apart_in_at_most_1_percent(self, rates: Rates, drift: float) -> None:
        seen = rates(f"ab identical, drift {drift:.1%}", lambda r: one_paired_run(r, 1.0, drift))
        assert false_share(seen) <= 0.01, seen

    @pytest.mark.parametrize("drift", [0.015, 0.1])
    def test_5_percent_is_seen_in_at_least_95_percent(self, rates: Rates, drift: float) -> None:
        seen = rates(f"ab 5 % SLOWER, drift {drift:.1%}", lambda r: one_paired_run(r, 1.05, drift))
        assert seen["SLOWER"] / TRIALS >= 0.95, seen


def wandering(random: np.random.Generator, samples: int = 400) -> list[float]:
    """Times whose 3 % noise has a memory of about 20 samples (autoregressive, 0.95 a step)."""
    steps = random.normal(0, 0.03 * math.sqrt(1 - 0.95**2), samples)
    logs = np.empty(samples)
    logs[0] = random.normal(0, 0.03)
    for index in range(1, samples):
        logs[index] = 0.95 * logs[index - 1] + steps[index]
    return list(100 * np.exp(logs))


def verdict(times_a: list[float], times_b: list[float], batches: int = BATCHES) -> str:
    return judge(ratio_interval(times_a, times_b, batches))[0]


class TestMedianInterval:
    def test_ranks_are_those_of_the_binomial_table(self) -> None:
        assert interval_ranks(7) is None
        assert interval_ranks(8) == (1, 8)  # 2 / 2^8 = 0.8 %
        assert interval_ranks(20) == (4, 17)  # 0.26 %; (5, 16) would leave 1.18 %
        assert interval_ranks(32) == (9, 24)
        assert interval_ranks(20, 0.95) == (6, 15)
        assert interval_ranks(5000) is not None
        assert least_samples() == 8

    @pytest.mark.parametrize("count", [8, 9, 31, 32, 100])
    def test_the_level_holds_and_one_rank_closer_breaks_it(self, count: int) -> None:
        ranks = interval_ranks(count)
        assert ranks is not None

        def outside(rank: int) -> float:
            return 2 * sum(math.comb(count, heads) for heads in range(rank)) / 2**count

        assert outside(ranks[0]) <= 0.01 < outside(ranks[0] + 1)

    def test_too_few_samples_have_no_interval_but_a_reason(self) -> None:
        found = median_interval([3.0, 1.0, 2.0])
        assert found == Estimate(2.0, None, "3 samples are too few for an interval, 8 are needed")
        assert median_interval([]).reason == "no samples"

    def test_an_episode_over_a_fifth_of_the_run_is_no_limit(self) -> None:
        calm = [100.0, 101.0, 102.0] * 100
        throttled = [time * (1.4 if 100 <= index < 160 else 1.0) for index, time in enumerate(calm)]
        found = median_interval(throttled)
        assert found.interval is not None
        assert found.interval[1] <= 102.0

    @given(values=times)
    def test_batches_are_contiguous_and_even(self, values: list[float]) -> None:
        medians = batch_medians(values)
        assert len(medians) == min(BATCHES, len(values))
        if len(values) % BATCHES == 0:
            size = len(values) // BATCHES
            assert medians == [median(values[i : i + size]) for i in range(0, len(values), size)]

    @given(values=enough_times)
    def test_the_interval_holds_the_median_of_the_batch_medians(self, values: list[float]) -> None:
        found = median_interval(values)
        assert found.interval is not None
        assert found.value == median(batch_medians(values))
        assert found.interval[0] <= found.value <= found.interval[1]


class TestRatio:
    @given(a=enough_times, b=enough_times, unit=st.sampled_from([1e-6, 1e-3, 60.0, 1e6]))
    def test_the_unit_of_time_does_not_matter(self, a: list[float], b: list[float], unit: float) -> None:
        scaled = ratio_interval([unit * time for time in a], [unit * time for time in b])
        assert close(scaled, ratio_interval(a, b))

    @given(a=enough_times, factor=st.floats(1.001, 100.0))
    def test_a_slower_candidate_has_a_larger_ratio_and_interval(self, a: list[float], factor: float) -> None:
        same, slower = ratio_interval(a, a), ratio_interval(a, [factor * time for time in a])
        assert same.interval is not None
        expected = Estimate(same.value * factor, (same.interval[0] * factor, same.interval[1] * factor))
        assert close(slower, expected)

    @given(a=times, b=times, threshold=st.floats(0.0, 0.5))
    def test_swapping_inverts_ratio_and_verdict(self, a: list[float], b: list[float], threshold: float) -> None:
        forward, backward = ratio_interval(a, b), ratio_interval(b, a)
        assert backward.value == pytest.approx(1 / forward.value, rel=1e-9)
        if forward.interval is None or backward.interval is None:
            assert forward.interval is backward.interval is None
            return
        assert close(backward, Estimate(1 / forward.value, (1 / forward.interval[1], 1 / forward.interval[0])))
        if all(abs(math.log(limit)) != pytest.approx(math.log1p(threshold)) for limit in forward.interval):
            swapped = {"SLOWER": "FASTER", "FASTER": "SLOWER"}
            verdict = judge(forward, threshold)[0]
            assert judge(backward, threshold)[0] == swapped.get(verdict, verdict)

    def test_mover_by_hand(self) -> None:
        # Eight samples: the interval is the range. Logs of A: 0 within [-0.03, 0.04]; of B: 0.1 within [0.07, 0.15].
        a = np.exp([-0.03, -0.01, 0, 0, 0, 0, 0.01, 0.04]).tolist()
        b = np.exp(0.1 + np.array([-0.03, 0, 0, 0, 0, 0, 0, 0.05])).tolist()
        found = ratio_interval(a, b)
        assert found.interval is not None
        assert np.log(found.value) == pytest.approx(0.1)
        assert np.log(found.interval) == pytest.approx([0.1 - math.hypot(0.03, 0.04), 0.1 + math.hypot(0.05, 0.03)])

    def test_reasons_name_the_side(self) -> None:
        assert ratio_interval([1.0] * 3, [2.0] * 9).reason.startswith("A: 3 samples are too few")
        assert ratio_interval([1.0] * 9, [0.0] * 9).reason == "B: a time that is not positive and finite"
        assert ratio_interval([1.0] * 9, [math.nan] * 9).interval is None
        assert ratio_interval([], [1.0] * 9).reason == "A: no samples"

    def test_pairs(self) -> None:
        found = paired_ratio_interval([math.log(1.1)] * 40)
        assert found.value == pytest.approx(1.1)
        assert half_width(found) == pytest.approx(0.0)
        assert paired_ratio_interval([0.0] * 3).interval is None
        assert half_width(Estimate(1.0, None)) == math.inf


@pytest.mark.parametrize(
    ("interval", "expected", "reason"),
    [
        ((1.03, 1.07), "SLOWER", ""),
        ((0.90, 0.97), "FASTER", ""),
        ((0.99, 1.01), "SAME", ""),
        ((1 / 1.02, 1.02), "SAME", ""),
        ((1.01, 1.04), "INCONCLUSIVE", "the interval reaches across 1.02"),
        ((0.97, 1.0), "INCONCLUSIVE", "the interval reaches across 0.9804"),
        ((0.9, 1.2), "INCONCLUSIVE", "the interval reaches across 0.9804 and 1.02"),
        (None, "INCONCLUSIVE", "why"),
    ],
)
def test_verdicts(interval: tuple[float, float] | None, expected: str, reason: str) -> None:
    assert judge(Estimate(1.0, interval, "why"), 0.02) == (expected, reason)


def test_geometric_mean() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([]) == 1.0


def close(found: Estimate, expected: Estimate) -> bool:
    assert found.interval is not None
    assert expected.interval is not None
    # Each value is a product or a quotient of a few rounded ones, and exp of log of them: parts in 1e13.
    assert (found.value, *found.interval) == pytest.approx((expected.value, *expected.interval), rel=1e-9)
    return True


def test_repeated_runs_cover_what_differs_between_them() -> None:
    """Runs shifted as a whole by 2 %, three a side: the interval at 99 % misses the true ratio about that often."""
    generator = random.Random(5)
    trials, missed = 2000, 0
    for _ in range(trials):
        a, b = ([math.exp(generator.gauss(0.0, 0.02)) for _ in range(3)] for _ in range(2))
        interval = runs_ratio_interval(a, b).interval
        assert interval is not None
        missed += not interval[0] <= 1.0 <= interval[1]
    print(f"repeated runs: {missed / trials:.2%} of 99 % intervals miss")
    assert missed / trials <= 0.015  # 1 %, and 3 standard errors of 2000 trials are 0.67 %


def test_rank_correlation_by_hand() -> None:
    # Differences of ranks 0, 1, 1, 0 of four: 1 - 6 * 2 / (4 * 15).
    assert rank_correlation([1.0, 2.0, 3.0, 9.0], [10.0, 30.0, 20.0, 40.0]) == pytest.approx(0.8)
    assert rank_correlation([1.0, 2.0], [5.0, 4.0]) == pytest.approx(-1)
    # Ranks 1.5, 1.5, 3 beside 1, 2, 3: covariance 1.5 over sqrt(1.5 * 2).
    assert rank_correlation([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]) == pytest.approx(1.5 / math.sqrt(3))


def test_a_constant_series_has_no_rank_correlation() -> None:
    assert rank_correlation([1.0, 1.0], [1.0, 2.0]) is None
    assert rank_correlation([1.0], [2.0]) is None
