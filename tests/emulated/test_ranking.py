"""The tiles there are, ranked for M from 1 to 256: no number of rows may be predicted far slower than the one before.

Dispatchers that switch kernels at an edge have been caught doubling the time there. What is judged is the table of
tiles as the model sees it on an H200: where it jumps, a tile is missing, or the model is wrong. Nothing was measured.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import pytest

from immabench.kernels import KernelConfig, kernel_configs
from immabench.predict import gpu_named, machine_of, rank_configs
from immabench.predict.work import is_wgmma
from immabench.problems import Problem
from immabench.suites import load_suite

LARGEST_JUMP = 1.3
MONOTONE = 1e-12
"""Relative; a thousand roundings of a double. A larger problem is never predicted faster by the same tile."""

KNOWN_JUMPS = {(10240, 8192): 129, (12288, 4096): 129, (8192, 28672): 129, (22016, 4096): 193}
"""(N, K) -> the M at which a second wave of blocks begins, and no tile of the table divides the work otherwise."""

MISSING = ("128x192, two consumers, four stages", "192x192, K split over two blocks, three stages")


def _problems(suite: str) -> dict[tuple[int, int], Problem]:
    return {(case.problem.n, case.problem.k): case.problem for case in load_suite(suite).expand()}


PROBLEMS = {**_problems("llama-decode"), **_problems("resnet18")}


@functools.cache
def times_us(n: int, k: int, extended: bool = False) -> list[float]:
    """Predicted time of the selected configuration for M = 1 to 256."""
    configs = [*kernel_configs(), *missing_tiles()] if extended else kernel_configs()
    machine, problem = machine_of(gpu_named("H200")), PROBLEMS[n, k]
    return [rank_configs(configs, replace(problem, m=m), machine)[0].prediction.time_us for m in range(1, 257)]


def missing_tiles() -> list[KernelConfig]:
    """The tiles of `MISSING`, with the shared memory that `WgmmaTile::shared_bytes` says they would take."""
    like = next(config for config in kernel_configs() if is_wgmma(config) and not config.swapped)
    wide = {"block_tile": (128, 192, 128), "warps": (2, 1), "warp_tile": (64, 192), "stages": 4, "threads": 384}
    square = {"block_tile": (192, 192, 128), "warps": (3, 1), "warp_tile": (64, 192), "stages": 3, "threads": 512}
    return [
        replace(
            like,
            id=MISSING[0],
            mma="m64n192k32",
            cluster=(1, 1),
            split_k=1,
            shared_bytes=1024 + 4 * 40960 + 32768 + 64,
            **wide,
        ),
        replace(
            like,
            id=MISSING[1],
            mma="m64n192k32",
            cluster=(1, 1),
            split_k=2,
            shared_bytes=1024 + 192 * 200 * 4 + 48,
            **square,
        ),
    ]


def jumps(times: list[float]) -> dict[int, float]:
    """M -> time over that of one row less, where it is more than `LARGEST_JUMP`."""
    ratios = {m: times[m - 1] / times[m - 2] for m in range(2, len(times) + 1)}
    return {m: ratio for m, ratio in ratios.items() if ratio > LARGEST_JUMP}


@pytest.mark.parametrize(("n", "k"), PROBLEMS)
def test_one_row_more_is_never_far_slower_nor_faster(n: int, k: int) -> None:
    times = times_us(n, k)
    assert set(jumps(times)) <= {KNOWN_JUMPS.get((n, k))}
    assert max(jumps(times).values(), default=1.0) < 1.6
    assert all(later >= earlier * (1 - MONOTONE) for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize(("n", "k"), KNOWN_JUMPS)
def test_two_more_tiles_would_end_the_known_jumps(n: int, k: int) -> None:
    assert jumps(times_us(n, k, extended=True)) == {}
