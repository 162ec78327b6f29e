"""Speed of the emulated machine: 1e9 multiply-accumulates a second of one GEMM with the 128x128x64 tile."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

SIZE = 1024
TILE = [128, 128, 64]
ROUNDS = 5
TARGETS = {"checks off": 3.0, "all checks": 2.0}  # 1e9 MAC/s on one core
TARGET_SCALING = 1.8  # two cores over one

Figure = Callable[[str], None]


@dataclass(frozen=True)
class Gemm:
    """One problem of the benchmark and the compiled configuration that computes it."""

    kernel_id: str
    a: Any
    b: Any
    out: Any

    def run(self, checks: bool, threads: int) -> dict[str, Any]:
        """Emulate once; the native module's answer, hazards and counts included where ``checks`` is on."""
        from immabench import _native

        options = {"output_type": "s32", "check": checks, "count": checks, "threads": threads}
        result: dict[str, Any] = _native.emulate_gemm(self.kernel_id, self.a, self.b, self.out, **options)
        return result


@pytest.fixture(scope="module")
def gemm() -> Gemm:
    native = pytest.importorskip("immabench._native", reason="the native module is not built: pip install .")
    kernel = next(one["id"] for one in native.kernels() if one["block_tile"] == TILE)
    a, b = (np.random.default_rng(seed).integers(-128, 128, (SIZE, SIZE), np.int8) for seed in range(2))
    return Gemm(kernel, a, b, np.empty((SIZE, SIZE), np.int32))


@pytest.mark.parametrize(("name", "checks"), [("checks off", False), ("all checks", True)])
def test_one_core(benchmark: BenchmarkFixture, gemm: Gemm, figure: Figure, name: str, checks: bool) -> None:
    result = benchmark.pedantic(gemm.run, (checks, 1), rounds=ROUNDS, warmup_rounds=1)
    assert result["hazard_total"] == 0
    if benchmark.stats:
        speed = SIZE**3 / benchmark.stats.stats.median / 1e9
        benchmark.extra_info |= {"gmac_per_s": speed, "kernel": gemm.kernel_id, "target": TARGETS[name]}
        figure(f"emulation, one core, {name}: {speed:.2f} G MAC/s (target {TARGETS[name]:g}), {gemm.kernel_id}")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_two_cores(benchmark: BenchmarkFixture, gemm: Gemm, figure: Figure) -> None:
    """One and two cores in turn, so that other work on the machine meets both alike."""
    seconds: dict[int, list[float]] = {1: [], 2: []}

    def both() -> None:
        for threads, times in seconds.items():
            times.append(gemm.run(False, threads)["seconds"])

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats:
        ratio = median(seconds[1]) / median(seconds[2])
        benchmark.extra_info |= {"two_cores_over_one": ratio, "target": TARGET_SCALING}
        figure(f"emulation, two cores over one, checks off: {ratio:.2f}x (target {TARGET_SCALING:g}x)")
