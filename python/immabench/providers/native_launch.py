"""Launches of the project's own GEMMs: one configuration with a problem's buffers, emulated or on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immabench.kernels import kernel_config, native
from immabench.predict import ASSUMED_GPU, gpu_named
from immabench.providers.base import Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.native_call import NativeCall

EMULATED_BACKEND = "emulated:host-simt"
EMULATED_GPU = gpu_named(ASSUMED_GPU)


class EmulatedLaunch:
    """One configuration on the emulated machine. `verify` chooses the order its warps run in, and how many
    multiprocessors persistent kernels start blocks for."""

    backend = EMULATED_BACKEND
    timed = False

    def __init__(
        self,
        config_id: str,
        buffers: Buffers,
        *,
        order: str = "forward",
        seed: int = 0,
        check: bool = True,
        multiprocessors: int = EMULATED_GPU.sm_count,
        packed: Mapping[str, Any] | None = None,
    ) -> None:
        self.emulation: Emulation | None = None
        self._config_id = config_id
        self._call = NativeCall(kernel_config(config_id), buffers, multiprocessors, packed)
        self._options = {"order": order, "seed": seed, "check": check, "multiprocessors": multiprocessors}

    def launch(self) -> None:
        result = native().emulate_gemm(self._config_id, *self._call.matrices, **self._call.options, **self._options)
        self.emulation = Emulation.of(result)


class CudaLaunch:
    """One configuration on a GPU: operands in torch tensors, the launch the project's own, on torch's stream."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, config_id: str, buffers: Buffers, *, packed: Mapping[str, Any] | None = None) -> None:
        import torch

        self._config_id = config_id
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        call = NativeCall(kernel_config(config_id), buffers, properties.multi_processor_count, packed)
        self._matrices, self._options = call.matrices, call.options
        self._current_stream = torch.cuda.current_stream
        self.backend = cuda_backend()

    def launch(self) -> None:
        stream = int(self._current_stream().cuda_stream)
        native().launch_gemm(self._config_id, *self._matrices, **self._options, stream=stream)


def cuda_backend() -> str:
    """What launches on the current GPU are said to run on, for example "cuda:sm_90"."""
    import torch

    return "cuda:sm_{}{}".format(*torch.cuda.get_device_capability())
