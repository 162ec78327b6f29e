"""Which timer measures: the wall clock on a CPU; on a GPU nvbench where it loads, else CUDA events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from immabench.errors import MissingHardwareError, UsageError
from immabench.hardware import cache_bytes, cuda_state
from immabench.measure.cuda_timer import CudaBallast, CudaTimer
from immabench.measure.nvbench_timer import INSTALL, NvbenchTimer, OpenRun, missing_packages, open_run
from immabench.measure.telemetry import telemetry_of
from immabench.measure.timer import Ballast, CpuTimer, Criterion, Timer, ballast_bytes

GPU_TIMERS = ("auto", "nvbench", "events")
"""What `--timer` takes. "auto" is nvbench where it loads, else events; `Timing.timed_by` says which it was."""


def make_timer(
    device_kind: str,
    criterion: Criterion,
    footprint_bytes: int | None = None,
    gpu_timer: str = "auto",
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Timer:
    """The timer of "cpu" or "cuda" for launches that touch `footprint_bytes` each, cold for every sample.

    None stands for launches whose time does not depend on what was in the cache before: nothing is read in between.
    `around` is entered on the launching thread where that is not the caller's. Raises MissingHardwareError where
    "nvbench" is asked for and does not load.
    """
    between = 0 if footprint_bytes is None else ballast_bytes(footprint_bytes, cache_bytes(device_kind))
    if device_kind != "cuda":
        return CpuTimer(criterion, Ballast(between))
    telemetry = telemetry_of(cuda_state()["devices"][0]["uuid"])
    run = _nvbench_run(gpu_timer)
    if run is None:
        return CudaTimer(criterion, CudaBallast(between), telemetry)
    return NvbenchTimer(criterion, telemetry, run, around)


def _nvbench_run(gpu_timer: str) -> OpenRun | None:
    if gpu_timer == "events":
        return None
    try:
        return open_run()
    except MissingHardwareError:
        if gpu_timer == "nvbench":
            raise
        return None


def require_timer(gpu_timer: str) -> None:
    """Raise UsageError for a name that is none, MissingHardwareError for nvbench without its packages or a GPU."""
    if gpu_timer not in GPU_TIMERS:
        raise UsageError(f"unknown timer {gpu_timer!r}", f"choose one of {', '.join(GPU_TIMERS)}")
    if gpu_timer != "nvbench":
        return
    if absent := missing_packages():
        raise MissingHardwareError(f"nvbench needs {' and '.join(absent)}", INSTALL)
    if not cuda_state()["devices"]:
        raise MissingHardwareError("nvbench times GPUs, and there is none here", "leave out --timer")
