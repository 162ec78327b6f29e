"""The tiles there are, ranked for M from 1 to 256: no number of rows may be predicted far slower than the one before.

Dispatchers that switch kernels at an edge have been caught doubling the time there. What is judged is the table of
tiles as the model sees it on an H200: where it jumps, a tile is missing, or the model is wrong. Nothing was measured.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import pytest

from immabench.predict import gpu_named, machine_of, rank_configs
from immabench.predict.selection import legal_configs
from immabench.problems import Problem
from immabench.suites import load_suite

LARGEST_JUMP = 1.3
MONOTONE = 1e-12
"""Relative; a thousand roundings of a double. A larger problem is never predicted faster by the same tile."""


def _problems(suite: str) -> dict[tuple[int, int], Problem]:
    return {(case.problem.n, case.problem.k): case.problem for case in load_suite(suite).expand()}


PROBLEMS = {**_problems("llama-decode"), **_problems("resnet18")}


@functools.cache
def times_us(n: int, k: int) -> list[float]:
    """Predicted time of the selected configuration for M = 1 to 256."""
    machine, problem = machine_of(gpu_named("H200")), PROBLEMS[n, k]
    configs = legal_configs(problem, machine)  # whatever M is
    ranked = (rank_configs(configs, replace(problem, m=m), machine) for m in range(1, 257))
    return [best[0].prediction.time_us for best in ranked]


def jumps(times: list[float]) -> dict[int, float]:
    """M -> time over that of one row less, where it is more than `LARGEST_JUMP`."""
    ratios = {m: times[m - 1] / times[m - 2] for m in range(2, len(times) + 1)}
    return {m: ratio for m, ratio in ratios.items() if ratio > LARGEST_JUMP}


@pytest.mark.parametrize(("n", "k"), PROBLEMS)
def test_one_row_more_is_never_far_slower_nor_faster(n: int, k: int) -> None:
    times = times_us(n, k)
    assert jumps(times) == {}
    assert all(later >= earlier * (1 - MONOTONE) for earlier, later in itertools.pairwise(times))
