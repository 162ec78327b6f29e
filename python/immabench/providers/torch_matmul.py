"""torch as the competitor: float matmul, and `torch._int_mm` with the same epilogue as the project's kernels."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata

from immabench.errors import ImmabenchError
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.torch_epilogue import TorchEpilogue
from immabench.providers.torch_tensors import shared_tensor

CONFIG_TYPES = {"torch_fp32": "f32", "torch_fp16": "f16", "torch_bf16": "bf16", "torch_int8": "s8"}
"""Operand type of every configuration."""


class IntegerLaunch:
    """`torch._int_mm`, then the epilogue in steps of torch."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        import torch

        self.backend = f"torch-{buffers.device_kind}:_int_mm"
        self._int_mm = torch._int_mm
        self._a, self._bt = shared_tensor(buffers.a), shared_tensor(buffers.b).t()
        self._epilogue = TorchEpilogue(buffers)

    def launch(self) -> None:
        self._int_mm(self._a, self._bt, out=self._epilogue.total)
        self._epilogue.launch()


class FloatLaunch:
    """The same shape as a float matmul, with the bias if there is one: what a model runs before quantization."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        import torch

        data_type = buffers.problem.a_type
        self.backend = f"torch-{buffers.device_kind}:matmul"
        self._a, self._bt = shared_tensor(buffers.a, data_type), shared_tensor(buffers.b, data_type).t()
        self._bias = shared_tensor(buffers.bias, data_type)
        self._out = shared_tensor(buffers.out, data_type)
        self._matmul, self._addmm = torch.matmul, torch.addmm

    def launch(self) -> None:
        if self._bias is None:
            self._matmul(self._a, self._bt, out=self._out)
        else:
            self._addmm(self._bias, self._a, self._bt, out=self._out)


class TorchProvider:
    """torch on the CPU and, where it is a CUDA build with a GPU, on CUDA."""

    name = "torch"
    ranked = False

    def availability(self) -> Availability:
        try:
            version = metadata.version("torch")
        except metadata.PackageNotFoundError:
            return Availability(False, "torch is not installed", "pip install 'immabench[models]'")
        return Availability(True, f"torch {version}")

    def devices(self) -> tuple[str, ...]:
        return ("cpu", "cuda")

    def config_ids(self) -> tuple[str, ...]:
        return tuple(CONFIG_TYPES)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [Candidate(config_id, _illegal_reason(config_id, problem, device)) for config_id in CONFIG_TYPES]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem if config_id == "torch_int8" else float_problem(problem, CONFIG_TYPES[config_id])

    def prepare(self, config_id: str, buffers: Buffers) -> IntegerLaunch | FloatLaunch:
        reason = _impossible(config_id, buffers.problem, buffers.device_kind)
        if reason:
            raise ImmabenchError(f"{config_id} cannot compute {buffers.problem.key}: {reason}")
        return IntegerLaunch(buffers) if config_id == "torch_int8" else FloatLaunch(buffers)


def float_problem(problem: Problem, data_type: str) -> Problem:
    """`problem` as a float baseline computes it: every type `data_type`, no scales."""
    return replace(
        problem, a_type=data_type, b_type=data_type, output_type=data_type, row_scale="none", col_scale="none"
    )


def _illegal_reason(config_id: str, problem: Problem, device: str) -> str | None:
    """Why a configuration cannot take part in measuring `problem`, None when it can."""
    if problem.a_type != "s8":
        return "computes problems stated in s8 only"
    return _impossible(config_id, problem, device)


def _impossible(config_id: str, stated: Problem, device: str) -> str | None:
    narrow = stated.m <= 16 or stated.n % 8 or stated.k % 8
    if config_id == "torch_int8" and device == "cuda" and narrow:
        return "torch._int_mm on CUDA needs M > 16, and N and K in multiples of 8"
    return None
