"""INT8 GEMMs written in the CuTe DSL, NVIDIA's Python for CUDA kernels: by wgmma, for Hopper.

They do the scales and the bias of the problem in their own epilogue, with the arithmetic of docs/numerics.md. Each is
compiled when it is first prepared, or ahead of time by `immabench cute-dsl compile`. They are never emulated.
"""

from __future__ import annotations

from typing import Any

from immabench.cute_dsl import (
    PACKAGE,
    Specialization,
    compiler_lack,
    find_cubin,
    object_folder,
    specializations,
    uncompiled_reason,
)
from immabench.cute_dsl.driver import load_driver
from immabench.cute_dsl.launch import Addresses, PreparedLaunch, Vector
from immabench.cute_dsl_tiles import PROVIDER, cute_dsl_configs
from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.hardware import cuda_state
from immabench.kernels import absent_reason, illegal_reason, kernel_config
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.native_launch import cuda_backend
from immabench.providers.ranking import ranked_candidates

COMPILE_REMEDY = f"pip install {PACKAGE}, or copy what `immabench cute-dsl compile` makes elsewhere into "


class CuteDslProvider:
    """Every tile of the CuTe DSL's GEMM, fastest first as the model predicts a kernel of ours with that tile."""

    name = PROVIDER
    ranked = True

    def availability(self) -> Availability:
        try:
            devices, error = cuda_state()["devices"], cuda_state()["error"]
        except ImmabenchError as missing:
            return Availability(False, missing.message, missing.remedy)
        kernels, lack = specializations(), compiler_lack()
        compiled = sum(find_cubin(kernel) is not None for kernel in kernels)
        if lack and not compiled:
            return Availability(False, lack, COMPILE_REMEDY + str(object_folder()))
        if not devices:
            return Availability(False, f"no GPU here: {error}", "run on a machine with an NVIDIA GPU", hardware=True)
        return Availability(True, f"{lack or PACKAGE}, {compiled} of {len(kernels)} kernels compiled")

    def devices(self) -> tuple[str, ...]:
        return ("cuda",)

    def config_ids(self) -> tuple[str, ...]:
        return tuple(config.id for config in cute_dsl_configs())

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        gpu = next(iter(cuda_state()["devices"]), None)
        reasons = {
            config: illegal_reason(config, problem)
            or (absent_reason(config, gpu) if gpu else None)
            or uncompiled_reason(Specialization(config.id, problem.output_type))
            for config in cute_dsl_configs()
        }
        return ranked_candidates(reasons, problem, gpu)

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> CuteDslLaunch:
        if buffers.device_kind != "cuda":
            raise MissingHardwareError(f"{config_id} runs on a GPU alone", "sweep or verify it with --device cuda")
        return CuteDslLaunch(config_id, buffers)


class CuteDslLaunch:
    """One configuration with a problem's buffers, on torch's stream."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, config_id: str, buffers: Buffers) -> None:
        import torch

        self._neutral = torch.tensor([1.0, -0.0], device=buffers.out.device)
        problem = buffers.problem
        self._buffers = buffers  # whose memory the launch has addresses of
        addresses = Addresses(
            a=buffers.a.data_ptr(),
            b=buffers.b.data_ptr(),
            out=buffers.out.data_ptr(),
            row_scale=self._vector(buffers.row_scale, problem.row_scale, 0),
            col_scale=self._vector(buffers.col_scale, problem.col_scale, 0),
            bias=self._vector(buffers.bias, "vector" if problem.bias else "none", 1),
        )
        self._launch = PreparedLaunch(load_driver(), kernel_config(config_id), problem, addresses)
        self._current_stream = torch.cuda.current_stream
        self.backend = cuda_backend()

    def launch(self) -> None:
        self._launch.launch(int(self._current_stream().cuda_stream))

    def _vector(self, values: Any, kind: str, neutral: int) -> Vector:
        """A scale or the bias. Of what is absent: 1 is the neutral factor, and -0 the summand, which leaves both 0 and
        -0 as they are."""
        if kind == "none":
            return Vector(self._neutral.data_ptr() + 4 * neutral, 0)
        return Vector(values.data_ptr(), int(kind == "vector"))
