"""The project's own kernels: the same source emulated on the CPU or launched on a GPU."""

from __future__ import annotations

from typing import Any

from immabench.errors import ImmabenchError
from immabench.hardware import cuda_state
from immabench.kernels import (
    SM_COUNT,
    KernelConfig,
    illegal_reason,
    kernel_config,
    kernel_configs,
    native,
    rank_configs,
)
from immabench.numerics import Array, compare_exact, gemm_reference
from immabench.operands import Operands, check_operands, poisoned_output
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation

EMULATED_BACKEND = "emulated:host-simt"


class EmulatedLaunch:
    """One configuration on the emulated machine. `order` is the order its warps run in, for `verify`."""

    backend = EMULATED_BACKEND
    timed = False

    def __init__(
        self,
        problem: Problem,
        config_id: str,
        operands: Operands,
        *,
        order: str = "forward",
        seed: int = 0,
        check: bool = True,
    ) -> None:
        check_operands(problem, operands)
        self.problem = problem
        self.emulation: Emulation | None = None
        self.seconds = 0.0
        self._config_id = config_id
        self._operands = operands
        self._options = {"order": order, "seed": seed, "check": check}
        self._output = poisoned_output(problem)

    def launch(self) -> None:
        operands = self._operands
        result = native().emulate_gemm_s8(
            self._config_id,
            operands.a,
            operands.b,
            self._output,
            output_type=self.problem.output_type,
            row_scale=operands.row_scale,
            col_scale=operands.col_scale,
            bias=operands.bias,
            **self._options,
        )
        self.seconds = float(result["seconds"])
        self.emulation = Emulation(result["counts"], result["hazards"], result["hazard_total"], result["lines"])

    def output(self) -> Array:
        return self._output

    def verify(self) -> str:
        return self.compare(gemm_reference(self.problem, self._operands))

    def compare(self, want: Array) -> str:
        """What is wrong with the last launch, given the oracle's result; a hazard is wrong even where numbers agree."""
        return "; ".join(filter(None, (compare_exact(self.problem, self._output, want).describe(), self._hazards())))

    def _hazards(self) -> str:
        if self.emulation is None or not self.emulation.hazard_total:
            return ""
        total = self.emulation.hazard_total
        return f"{total} hazard{'s' if total > 1 else ''}, first: {describe_hazard(self.emulation.hazards[0])}"


class CudaLaunch:
    """One configuration on a GPU: operands in torch tensors, the launch the project's own."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, problem: Problem, config_id: str, operands: Operands) -> None:
        from immabench.providers.torch_tensors import CudaBuffers

        check_operands(problem, operands)
        self.problem = problem
        self._config_id = config_id
        self._operands = operands
        self._buffers = CudaBuffers(problem, operands)
        self.backend = f"cuda:{self._buffers.architecture}"

    def launch(self) -> None:
        buffers = self._buffers
        native().launch_gemm_s8(
            self._config_id,
            buffers.a,
            buffers.b,
            buffers.out,
            output_type=self.problem.output_type,
            row_scale=buffers.row_scale,
            col_scale=buffers.col_scale,
            bias=buffers.bias,
            stream=buffers.stream(),
        )

    def output(self) -> Array:
        return self._buffers.output()

    def verify(self) -> str:
        return compare_exact(self.problem, self.output(), gemm_reference(self.problem, self._operands)).describe()


class HandwrittenProvider:
    """Every compiled tile configuration, best ranked first."""

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
        ranked = rank_configs(legal, problem, gpu["sm_count"] if gpu else SM_COUNT)
        illegal = [Candidate(config.id, reason) for config, reason in reasons.items() if reason is not None]
        return [Candidate(entry.config.id) for entry in ranked] + illegal

    def prepare(self, problem: Problem, config_id: str, operands: Operands, device: str) -> EmulatedLaunch | CudaLaunch:
        kernel_config(config_id)
        return (
            CudaLaunch(problem, config_id, operands)
            if device == "cuda"
            else EmulatedLaunch(problem, config_id, operands)
        )


def _absent_on(config: KernelConfig, gpu: dict[str, Any] | None) -> str | None:
    """Why `config` does not run on `gpu` of `cuda_devices()`; None where it does, and under emulation."""
    if gpu is None:
        return None
    present = "sm_{}{}".format(*gpu["compute_capability"])
    # sm_90a is the feature set of sm_90: the suffix restricts forward compatibility, not the device it runs on.
    if present in {architecture.rstrip("a") for architecture in config.architectures}:
        return None
    return f"compiled for {', '.join(config.architectures)}, and this GPU is {present}"


def describe_hazard(hazard: dict[str, Any]) -> str:
    """A hazard in one line: kind, place, block (linear index in the grid), thread and detail."""
    place = f"{hazard['file']}:{hazard['line']}"
    return f"{hazard['kind']} at {place}, block {hazard['block']}, thread {hazard['thread']}: {hazard['detail']}"
