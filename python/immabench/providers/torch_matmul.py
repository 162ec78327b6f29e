"""torch as the competitor: float matmul and convolution, `torch._int_mm` with the project's own epilogue, and the int4
matmul."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

from immabench.errors import ImmabenchError
from immabench.problems import Problem, float_problem
from immabench.providers import torch_int4
from immabench.providers.base import Availability, Candidate, Emulation, Launchable, Step, beyond_scales
from immabench.providers.buffers import Buffers
from immabench.providers.torch_conv import FloatConvolution, IntegerConvolution
from immabench.providers.torch_epilogue import TorchEpilogue
from immabench.providers.torch_int4 import Int4Launch, Int4Packing, int4_problem
from immabench.providers.torch_tensors import shared_tensor

CONFIG_TYPES = {"torch_fp32": "f32", "torch_fp16": "f16", "torch_bf16": "bf16", "torch_int8": "s8"}
"""Operand type of every configuration whose operands have one type."""

INT4_STEPS: dict[str, Step] = {"torch_int4": "compute", "torch_int4_pack": "pack"}
"""The configurations with int4 weights, and what their launches do."""


class IntegerLaunch:
    """`torch._int_mm`, of a batch once a product, then the epilogue in steps of torch."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        import torch

        batch = buffers.problem.batch
        self.backend = f"torch-{buffers.device_kind}:_int_mm" + (f" ({batch} calls)" if batch > 1 else "")
        self._int_mm = torch._int_mm
        self._epilogue = TorchEpilogue(buffers)
        a, bt = shared_tensor(buffers.a), shared_tensor(buffers.b).transpose(-1, -2)
        matrices = (a, bt, self._epilogue.total)
        self._products = list(zip(*matrices, strict=True)) if batch > 1 else [matrices]

    def launch(self) -> None:
        for a, bt, total in self._products:
            self._int_mm(a, bt, out=total)
        self._epilogue.launch()


class FloatLaunch:
    """The same shape as a float matmul, batched or not, with the bias if there is one: what a model runs before
    quantization."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        import torch

        data_type = buffers.problem.a_type
        self.backend = f"torch-{buffers.device_kind}:matmul"
        self._a, self._bt = shared_tensor(buffers.a, data_type), shared_tensor(buffers.b, data_type).transpose(-1, -2)
        self._bias = shared_tensor(buffers.bias, data_type)
        self._out = shared_tensor(buffers.out, data_type)
        batched = buffers.problem.batch > 1
        if batched and self._bias is not None:
            self._bias = self._bias.unsqueeze(-2)
        self._matmul, self._addmm = torch.matmul, torch.baddbmm if batched else torch.addmm

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
        return (*CONFIG_TYPES, *INT4_STEPS)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [
            Candidate(config_id, _illegal_reason(config_id, problem, device), INT4_STEPS.get(config_id, "compute"))
            for config_id in self.config_ids()
        ]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        if config_id in INT4_STEPS:
            return int4_problem(problem)
        return problem if config_id == "torch_int8" else float_problem(problem, CONFIG_TYPES[config_id])

    def prepare(self, config_id: str, buffers: Buffers) -> Launchable:
        reason = _impossible(config_id, buffers.problem, buffers.device_kind)
        if reason:
            raise ImmabenchError(f"{config_id} cannot compute {buffers.problem.key}: {reason}")
        if buffers.problem.conv:
            return (IntegerConvolution if config_id == "torch_int8" else FloatConvolution)(buffers)
        return LAUNCHES.get(config_id, FloatLaunch)(buffers)


LAUNCHES: dict[str, Callable[[Buffers], Launchable]] = {
    "torch_int8": IntegerLaunch,
    "torch_int4": Int4Launch,
    "torch_int4_pack": Int4Packing,
}
"""What launches each configuration of products; the others are of floats."""


def _illegal_reason(config_id: str, problem: Problem, device: str) -> str | None:
    """Why a configuration cannot take part in measuring `problem`, None when it can."""
    if problem.precision != "s8":
        return "computes problems stated in s8 only"
    if config_id != "torch_int8" and problem.extras:
        return beyond_scales(problem)
    return _impossible(config_id, problem, device)


def _impossible(config_id: str, stated: Problem, device: str) -> str | None:
    if config_id in INT4_STEPS:
        return torch_int4.illegal_reason(stated, device)
    narrow = stated.m <= 16 or stated.n % 8 or stated.k % 8
    if config_id == "torch_int8" and device == "cuda" and narrow:
        return "torch._int_mm on CUDA needs M > 16, and N and K in multiples of 8"
    return None
