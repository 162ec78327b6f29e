"""Which timer a device kind is measured with."""

from __future__ import annotations

from immabench.hardware import cuda_state
from immabench.measure.telemetry import telemetry_of
from immabench.measure.timer import Ballast, CpuTimer, Criterion, CudaBallast, CudaTimer, Timer


def make_timer(device_kind: str, criterion: Criterion, bytes_between: int = 0) -> Timer:
    """The timer of a device kind, with so many bytes of ballast touched before each launch."""
    if device_kind == "cuda":
        return CudaTimer(criterion, CudaBallast(bytes_between), telemetry_of(cuda_state()["devices"][0]["uuid"]))
    return CpuTimer(criterion, Ballast(bytes_between))
