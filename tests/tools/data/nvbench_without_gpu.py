"""Measures with the real cuda-bench on the CPU and prints what came of it as JSON; `test_nvbench.py` runs it.

python nvbench_without_gpu.py libcuda.so.1 libnvidia-ml.so.1
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from typing import Any

for library in sys.argv[1:]:
    ctypes.CDLL(library, ctypes.RTLD_GLOBAL)

from immabench.measure.cuda_timer import Batch  # noqa: E402 - the libraries come first
from immabench.measure.nvbench_timer import OpenRun, load_nvbench  # noqa: E402


class CpuOnly:
    """cuda.bench with its one benchmark marked as CPU-only and no device asked for; all else is the package's own."""

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self.__version__ = bench.__version__

    def register(self, fn: Any) -> Any:
        return self._bench.register(fn).set_is_cpu_only(True)

    def run_all_benchmarks(self, argv: list[str]) -> None:
        without_device = [word for word in argv if word not in ("--devices", "0")]
        self._bench.run_all_benchmarks(without_device)


def launch_ms(milliseconds: float, calls: list[int]) -> Any:
    def launch() -> None:
        calls.append(1)
        time.sleep(milliseconds / 1e3)

    return launch


def fail() -> None:
    raise ValueError("no luck")


def sampled(run: OpenRun, launch: Any, count: int, seconds: float) -> Batch:
    return run.carry_out(lambda state: run.sample(state, launch, count, seconds))


def configuration(state: Any) -> dict[str, Any]:
    return {
        "criterion": state.get_stopping_criterion(),
        "min_samples": state.get_min_samples(),
        "warm_ups": state.get_cold_warmup_runs(),
        "throttle_threshold": state.get_throttle_threshold(),
        "blocking_timeout": state.get_blocking_kernel_timeout(),
        "blocking": not state.get_disable_blocking_kernel(),
        "name": state.get_benchmark().get_name(),
    }


def error_of(run: OpenRun) -> str:
    try:
        sampled(run, fail, 3, 1.0)
    except ValueError as error:
        return str(error)
    return ""


def again(bench: Any) -> str:
    try:
        bench.run_all_benchmarks(["immabench", "--quiet"])
    except RuntimeError as error:
        return str(error)
    return ""


def main() -> None:
    bench = load_nvbench()
    run = OpenRun(CpuOnly(bench))
    folder = run._folder
    batches = []
    for milliseconds, count, seconds in ((2.0, 5, 10.0), (4.0, 7, 10.0), (20.0, 1000, 0.1)):
        calls: list[int] = []
        batch = sampled(run, launch_ms(milliseconds, calls), count, seconds)
        batches.append({"times_us": list(batch.times_us), "discarded": batch.discarded, "calls": len(calls)})
    error = error_of(run)
    after = len(sampled(run, launch_ms(1.0, []), 2, 10.0).times_us)
    configured = run.carry_out(configuration)
    left = folder.exists()
    run.close()
    ended = not run._thread.is_alive()
    summary = {"timed_by": run.timed_by, "batches": batches, "error": error, "after": after, "configured": configured}
    print(json.dumps({**summary, "again": again(bench), "left": left, "ended": ended}))


if __name__ == "__main__":
    main()
