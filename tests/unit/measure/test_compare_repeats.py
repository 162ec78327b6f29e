"""Runs repeated on either side: judged by the spread between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from compared_runs import Run, scaled

from immabench.measure.compare import compare_runs


def repeated(new_run: Callable[[str], Run], name: str, factors: list[float]) -> list[Path]:
    """Runs of one side, each shifted as a whole."""
    made = [new_run(f"{name}{index}") for index in range(len(factors))]
    for run, factor in zip(made, factors, strict=True):
        run.add(64, scaled(factor))
    return [run.path for run in made]


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([1.0, 1.2, 1.1], [1.1, 1.0, 1.2], "INCONCLUSIVE"),  # each pair alone would be told apart
        ([1.0, 1.002, 0.998], [1.001, 0.999, 1.0], "SAME"),
        ([1.0, 1.002, 0.998], [1.051, 1.049, 1.05], "SLOWER"),
        ([1.05, 1.052, 1.048], [1.001, 0.999, 1.0], "FASTER"),
        ([1.0, 1.0], [1.0, 1.0], "SAME"),
    ],
)
def test_repeated_runs_judge_by_the_spread_between_them(
    new_run: Callable[[str], Run], a: list[float], b: list[float], verdict: str
) -> None:
    runs_a, runs_b = repeated(new_run, "a", a), repeated(new_run, "b", b)
    (row,) = compare_runs(runs_a[0], runs_b[0], again_a=runs_a[1:], again_b=runs_b[1:]).verdicts
    assert row.verdict == verdict


def test_repeats_of_one_side_only_and_gaps_are_said(new_run: Callable[[str], Run]) -> None:
    runs_a, runs_b = repeated(new_run, "a", [1.0, 1.1]), repeated(new_run, "b", [1.0])
    (row,) = compare_runs(runs_a[0], runs_b[0], again_a=runs_a[1:]).verdicts
    assert (row.verdict, row.reason) == ("INCONCLUSIVE", "repeated runs are needed on both sides, or on neither")
    empty = new_run("empty").path
    (row,) = compare_runs(runs_a[0], runs_b[0], again_a=runs_a[1:], again_b=[empty]).verdicts
    assert row.reason == "not timed in every run"
