"""Intervals and tests of accuracies: published values, enumeration of every outcome, and coverage."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.accuracy.statistics import CONFIDENCE, mcnemar, paired_difference, proportion

# Samples, and how likely only the model and only its reference is right.
SETTINGS = [
    (50, 0.1, 0.02),
    (64, 0.0, 0.05),
    (100, 0.05, 0.01),
    (100, 0.02, 0.02),
    (128, 0.01, 0.01),
    (200, 0.01, 0.03),
]
Z = 1.959963984540054
"""The normal distribution's 97.5 % point."""


def judged(gained: int, lost: int, total: int) -> tuple[list[bool], list[bool]]:
    """Samples that a model and its reference got right; of those they agree on, every other one."""
    both = [place % 2 == 0 for place in range(total - gained - lost)]
    return [True] * gained + [False] * lost + both, [False] * gained + [True] * lost + both


def likelihood(total: int, gained: int, lost: int, up: float, down: float) -> float:
    """Of so many gained and lost samples of `total`: the multinomial distribution."""
    ways = math.comb(total, gained) * math.comb(total - gained, lost)
    return ways * up**gained * down**lost * (1 - up - down) ** (total - gained - lost)


# Newcombe (1998), Statistics in Medicine 17, 857, table I, method 3.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(count: int, total: int, low: float, high: float) -> None:
    found = proportion(count, total)
    assert tuple(round(end, 4) for end in found.interval) == (low, high)
    assert found.value == count / total


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilsons_interval_is_within_bounds_and_mirrored(counts: tuple[int, int]) -> None:
    count, total = counts
    low, high = proportion(count, total).interval
    # The ends are sums and quotients of numbers up to 1: a few roundings of 2^-53 each.
    assert 0 <= low <= count / total + 1e-15
    assert count / total - 1e-15 <= high <= 1
    mirrored = proportion(total - count, total).interval
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-14)


def test_bonett_and_prices_interval_by_hand() -> None:
    # (6 - 3) / 102 and sqrt((9 / 102 - (3 / 102)^2) / 102), once one was added to 5 gained and 2 lost.
    found = paired_difference(*judged(5, 2, 100))
    reach = Z * math.sqrt((9 / 102 - (3 / 102) ** 2) / 102)
    assert (found.gained, found.lost, found.total, found.value) == (5, 2, 100, 0.03)
    assert found.interval == pytest.approx((3 / 102 - reach, 3 / 102 + reach), abs=1e-14)
    assert not found.distinguishable


def test_a_loss_is_negative_and_told_from_chance() -> None:
    found = paired_difference(*judged(0, 12, 100))
    assert found.value == -0.12
    assert found.interval[1] < 0
    assert found.distinguishable
    assert found.p_value == 2 / 2**12


def test_no_difference_is_no_proof_of_none() -> None:
    found = paired_difference(*judged(0, 0, 10))
    assert (found.value, found.p_value, found.distinguishable) == (0.0, 1.0, False)
    assert found.interval[0] < 0 < found.interval[1]
    assert paired_difference([True], [False]).interval[1] == 1.0, "an accuracy has no larger difference"


@pytest.mark.parametrize(("total", "up", "down"), SETTINGS)
def test_intervals_cover_the_true_difference_as_often_as_they_say(total: int, up: float, down: float) -> None:
    """Over every outcome; Wald's own interval, without the counts added, covers it in fewer of these settings."""
    covered = 0.0
    for gained, lost in product(range(total + 1), repeat=2):
        chance = likelihood(total, gained, lost, up, down) if gained + lost <= total else 0.0
        if chance > 1e-12:  # what is left out adds up to 201^2 times that at most, 1e-7
            low, high = paired_difference(*judged(gained, lost, total)).interval
            covered += chance * (low <= up - down <= high)
    assert covered >= CONFIDENCE


def test_drawn_samples_are_covered_as_often() -> None:
    total, up, down, trials = 100, 0.05, 0.01, 3000
    draws = np.random.default_rng(5).random((trials, total))
    covered = 0
    for draw in draws:
        only_ours, only_theirs = draw < up, draw > 1 - down
        found = paired_difference(~only_theirs, ~only_ours)
        covered += found.interval[0] <= up - down <= found.interval[1]
    # Hoeffding's inequality: the share is this far below its expectation, 0.95 or more, once in 1e6 seeds.
    assert covered / trials >= CONFIDENCE - math.sqrt(math.log(1e6) / (2 * trials))


@pytest.mark.parametrize("tosses", range(1, 11))
def test_mcnemar_counts_every_way_a_coin_can_fall(tosses: int) -> None:
    heads = [sum(one) for one in product((0, 1), repeat=tosses)]
    for gained in range(tosses + 1):
        as_uneven = sum(abs(2 * one - tosses) >= abs(2 * gained - tosses) for one in heads)
        assert mcnemar(gained, tosses - gained) == as_uneven / 2**tosses


def test_mcnemar_of_many_samples() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5000, 5000) == 1.0
    assert 0.0 < mcnemar(4700, 5300) < 1e-8, "six deviations"


@pytest.mark.parametrize(("ours", "theirs"), [([True], [True, False]), ([], [])])
def test_other_samples_are_refused(ours: list[bool], theirs: list[bool]) -> None:
    with pytest.raises(ValueError, match="not the same samples"):
        paired_difference(ours, theirs)
