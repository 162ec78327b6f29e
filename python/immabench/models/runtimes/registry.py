"""Every runtime, and how one is asked for by name. Importing this loads neither torch nor onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence

from immabench.errors import MissingHardwareError, NothingSelectedError, UsageError
from immabench.models.runtimes.base import Runtime
from immabench.models.runtimes.integer import IntegerRuntime
from immabench.models.runtimes.onnx_runtime import OnnxRuntime
from immabench.models.runtimes.pytorch import TorchRuntime

RUNTIMES: tuple[Runtime, ...] = (
    TorchRuntime(),
    TorchRuntime("torch-compiled", compiled=True),
    IntegerRuntime(),
    OnnxRuntime("onnxruntime", "CPUExecutionProvider", "cpu"),
    OnnxRuntime("onnxruntime-cuda", "CUDAExecutionProvider", "cuda"),
    OnnxRuntime("onnxruntime-tensorrt", "TensorrtExecutionProvider", "cuda"),
)


def runtime(name: str) -> Runtime:
    """The runtime of that name. Raises NothingSelectedError, with the nearest names, for an unknown one."""
    by_name = {one.name: one for one in RUNTIMES}
    if name not in by_name:
        raise NothingSelectedError.nearest("runtime", name, by_name)
    return by_name[name]


def require_one(names: Sequence[str]) -> None:
    """Raise where none of these runtimes is here: MissingHardwareError where that takes a device, else UsageError."""
    found = {name: runtime(name).availability() for name in names}
    if any(one.ok for one in found.values()):
        return
    name, missing = next(iter(found.items()))
    kind = MissingHardwareError if missing.hardware else UsageError
    raise kind(f"{name}: {missing.detail}", missing.remedy)
