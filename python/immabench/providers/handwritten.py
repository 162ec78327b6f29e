"""The project's own kernels: the same source emulated on the CPU or launched on a GPU.

Weights in fragment-major blocks are rearranged once a model; the kernel that does so is a step of its own.
"""

from __future__ import annotations

from typing import Any

from immabench.errors import ImmabenchError
from immabench.hardware import cuda_state
from immabench.kernels import (
    CompanionConfig,
    KernelConfig,
    absent_reason,
    companion_configs,
    illegal_reason,
    kernel_config,
    kernel_configs,
    native,
)
from immabench.predict import best_of_each, machine_of, machine_of_device, rank_configs
from immabench.problems import Problem
from immabench.providers import reordering
from immabench.providers.base import Availability, Candidate, Launchable
from immabench.providers.buffers import Buffers
from immabench.providers.native_launch import EMULATED_GPU, CudaLaunch, EmulatedLaunch
from immabench.providers.reordering import CudaReordering, EmulatedReordering


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
        return (*(config.id for config in kernel_configs()), *(config.id for config in _reorderings()))

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        gpu = cuda_state()["devices"][0] if device == "cuda" else None
        reasons = {config: illegal_reason(config, problem) or _absent_on(config, gpu) for config in kernel_configs()}
        legal = [config for config, reason in reasons.items() if reason is None]
        ranked = rank_configs(legal, problem, machine_of_device(gpu) if gpu else machine_of(EMULATED_GPU))
        ranked = ranked if gpu else best_of_each(ranked)
        illegal = [Candidate(config.id, reason) for config, reason in reasons.items() if reason is not None]
        packing = [Candidate(config.id, step="pack") for config in _reorderings() if any(map(_is_packed, legal))]
        return [*(Candidate(entry.config.id) for entry in ranked), *packing, *illegal]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> Launchable:
        if config_id in {config.id for config in _reorderings()}:
            return self._prepare_reordering(config_id, buffers)
        kernel_config(config_id)
        if buffers.device_kind == "cuda":
            return CudaLaunch(config_id, buffers)
        return EmulatedLaunch(config_id, buffers)

    def _prepare_reordering(self, config_id: str, buffers: Buffers) -> Launchable:
        """For the best of the kernels that take what it makes; all that are legal for a problem take the same."""
        offered = self.configs(buffers.problem, buffers.device_kind)
        legal = [kernel_config(one.config_id) for one in offered if one.reason is None and one.step == "compute"]
        consumer = next(filter(_is_packed, legal), None)
        if consumer is None:
            raise ImmabenchError(f"{config_id}: no kernel takes the weights of {buffers.problem.key} in blocks")
        step = CudaReordering if buffers.device_kind == "cuda" else EmulatedReordering
        return step(config_id, consumer, buffers)


def _reorderings() -> tuple[CompanionConfig, ...]:
    """The kernels that rearrange weights, which is a step of its own."""
    return tuple(config for config in companion_configs() if config.family == reordering.FAMILY)


def _is_packed(config: KernelConfig) -> bool:
    return config.weight_layout == "fragment_major"


def _absent_on(config: KernelConfig, gpu: dict[str, Any] | None) -> str | None:
    """Why `config` does not run on `gpu` of `cuda_devices()`; None where it does, and under emulation."""
    return absent_reason(config, gpu) if gpu else None
