"""CUTLASS' own kernels, compiled into the native module: int8 and int4 GEMMs and int8 convolutions by mma.sync, and by
wgmma (CUTLASS 3.x, sm_90a alone) int8 GEMMs.

They do the whole problem, as the project's own: what follows the sums is the same epilogue (kernels/cutlass). They are
never emulated.
"""

from __future__ import annotations

from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.hardware import cuda_state
from immabench.kernels import absent_reason, cutlass_configs, illegal_reason, native
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate
from immabench.providers.buffers import Buffers
from immabench.providers.native_launch import CudaLaunch
from immabench.providers.ranking import ranked_candidates

PACKAGE = "nvidia-cutlass==4.2.0.0"
"""Which has the headers that a build needs."""


class CutlassProvider:
    """Every tile configuration of CUTLASS, fastest first as the model predicts a kernel of ours with that tile."""

    name = "cutlass"
    ranked = True

    def availability(self) -> Availability:
        try:
            build = native().build_info()
        except ImmabenchError as error:
            return Availability(False, error.message, error.remedy)
        if not build["cuda"]:
            return Availability(False, "built without CUDA", "reinstall without -C cmake.define.IMMABENCH_CUDA=OFF")
        if not build["cutlass_version"]:
            remedy = f"pip install --no-deps {PACKAGE}, then reinstall with -C cmake.define.IMMABENCH_CUTLASS=ON"
            return Availability(False, "built without CUTLASS", remedy)
        if not cuda_state()["devices"]:
            return Availability(False, f"no GPU here: {cuda_state()['error']}", "run on a machine with an NVIDIA GPU")
        return Availability(True, f"CUTLASS {build['cutlass_version']}, {len(cutlass_configs())} configurations")

    def devices(self) -> tuple[str, ...]:
        return ("cuda",)

    def config_ids(self) -> tuple[str, ...]:
        return tuple(config.id for config in cutlass_configs())

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        gpu = next(iter(cuda_state()["devices"]), None)
        reasons = {
            config: illegal_reason(config, problem) or (absent_reason(config, gpu) if gpu else None)
            for config in cutlass_configs()
        }
        return ranked_candidates(reasons, problem, gpu)

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> CudaLaunch:
        if buffers.device_kind != "cuda":
            raise MissingHardwareError(f"{config_id} runs on a GPU alone", "sweep or verify it with --device cuda")
        return CudaLaunch(config_id, buffers)
