"""The project's own kernels: the same source emulated on the CPU or launched on a GPU."""

from __future__ import annotations

from typing import Any

from immabench.errors import ImmabenchError
from immabench.hardware import cuda_state
from immabench.kernels import KernelConfig, illegal_reason, kernel_config, kernel_configs, native, runs_on
from immabench.predict import ASSUMED_GPU, best_of_each, gpu_named, machine_of, machine_of_device, rank_configs
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation
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
    ) -> None:
        self.emulation: Emulation | None = None
        self.seconds = 0.0
        self._config_id = config_id
        self._call = NativeCall(kernel_config(config_id), buffers, multiprocessors)
        self._options = {"order": order, "seed": seed, "check": check, "multiprocessors": multiprocessors}

    def launch(self) -> None:
        result = native().emulate_gemm(self._config_id, *self._call.matrices, **self._call.options, **self._options)
        self.seconds = float(result["seconds"])
        self.emulation = Emulation(result["counts"], result["hazards"], result["hazard_total"], result["lines"])


class CudaLaunch:
    """One configuration on a GPU: operands in torch tensors, the launch the project's own, on torch's stream."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, config_id: str, buffers: Buffers) -> None:
        import torch

        self._config_id = config_id
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        call = NativeCall(kernel_config(config_id), buffers, properties.multi_processor_count)
        self._matrices, self._options = call.matrices, call.options
        self._current_stream = torch.cuda.current_stream
        self.backend = "cuda:sm_{}{}".format(*torch.cuda.get_device_capability())

    def launch(self) -> None:
        stream = int(self._current_stream().cuda_stream)
        native().launch_gemm(self._config_id, *self._matrices, **self._options, stream=stream)


class HandwrittenProvider:
    """Every compiled tile configuration, fastest predicted first; under emulation the instructions take turns."""

    name = "handwritten"
    ranked = True

    def availability(self) -> Availability:
        try:
            build = native().build_info()
        except ImmabenchError as error:
            return Availability(False, error.message, error.remedy)
        on = (
            f"CUDA {build['cuda_version']} for {', '.join(build['architectures'])}"
            if build["cuda"]
            else "emulation only"
        )
        return Availability(True, f"{len(kernel_configs())} configurations, {on}")

    def devices(self) -> tuple[str, ...]:
        return ("emulated", "cuda") if native().build_info()["cuda"] else ("emulated",)

    def config_ids(self) -> tuple[str, ...]:
        return tuple(config.id for config in kernel_configs())

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        gpu = cuda_state()["devices"][0] if device == "cuda" else None
        reasons = {config: illegal_reason(config, problem) or _absent_on(config, gpu) for config in kernel_configs()}
        legal = [config for config, reason in reasons.items() if reason is None]
        ranked = rank_configs(legal, problem, machine_of_device(gpu) if gpu else machine_of(EMULATED_GPU))
        ranked = ranked if gpu else best_of_each(ranked)
        illegal = [Candidate(config.id, reason) for config, reason in reasons.items() if reason is not None]
        return [Candidate(entry.config.id) for entry in ranked] + illegal

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> EmulatedLaunch | CudaLaunch:
        kernel_config(config_id)
        if buffers.device_kind == "cuda":
            return CudaLaunch(config_id, buffers)
        return EmulatedLaunch(config_id, buffers)


def _absent_on(config: KernelConfig, gpu: dict[str, Any] | None) -> str | None:
    """Why `config` does not run on `gpu` of `cuda_devices()`; None where it does, and under emulation."""
    if gpu is None:
        return None
    present = "sm_{}{}".format(*gpu["compute_capability"])
    if runs_on(config, present):
        return None
    return f"compiled for {', '.join(config.architectures)}, and this GPU is {present}"
