"""torch as the competitor: float matmul, and `torch._int_mm` with the same epilogue as the project's kernels."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np

from immabench.errors import ImmabenchError
from immabench.numerics import (
    Array,
    bf16_to_f32,
    compare_exact,
    compare_float,
    f32_to_bf16,
    float_reference,
    gemm_reference,
)
from immabench.operands import Operands, check_operands
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation
from immabench.providers.torch_tensors import TORCH_TYPES, poisoned_tensor, to_numpy, to_tensor, torch_device

CONFIG_TYPES = {"torch_fp32": "f32", "torch_fp16": "f16", "torch_bf16": "bf16", "torch_int8": "s8"}
"""Operand type of every configuration."""


class IntegerLaunch:
    """`torch._int_mm`, then scales, bias and rounding in separate fp32 steps: the project's epilogue, bit for bit."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, problem: Problem, operands: Operands, device_kind: str) -> None:
        import torch

        check_operands(problem, operands)
        device = torch_device(device_kind)
        self.problem = problem
        self.backend = f"torch-{device_kind}:_int_mm"
        self._operands = operands
        self._int_mm, self._mul = torch._int_mm, torch.mul
        self._a, self._bt = to_tensor(operands.a, device), to_tensor(operands.b, device).t()
        self._row = _column(to_tensor(operands.row_scale, device))
        self._col, self._bias = to_tensor(operands.col_scale, device), to_tensor(operands.bias, device)
        self._out = poisoned_tensor(problem, device)
        shape = (problem.m, problem.n)
        bare = problem.output_type == "s32"
        self._total = self._out if bare else torch.empty(shape, dtype=torch.int32, device=device)
        self._value = None if bare else torch.empty(shape, dtype=torch.float32, device=device)

    def launch(self) -> None:
        self._int_mm(self._a, self._bt, out=self._total)
        if self._value is None:
            return
        if self._row is None:
            self._value.copy_(self._total)
        else:
            self._mul(self._total, self._row, out=self._value)
        if self._col is not None:
            self._value.mul_(self._col)
        if self._bias is not None:
            self._value.add_(self._bias)
        self._out.copy_(self._value)

    def output(self) -> Array:
        return to_numpy(self._out)

    def verify(self) -> str:
        return compare_exact(self.problem, self.output(), gemm_reference(self.problem, self._operands)).describe()


class FloatLaunch:
    """The same shape as a float matmul, with the bias if there is one: what a model runs before quantization.

    Operands are the int8 values / 128, which every float type here holds exactly, so one reference serves all.
    """

    timed = True
    emulation: Emulation | None = None

    def __init__(self, problem: Problem, operands: Operands, device_kind: str, data_type: str) -> None:
        import torch

        device = torch_device(device_kind)
        self.problem = float_problem(problem, data_type)
        self.backend = f"torch-{device_kind}:matmul"
        self._operands = operands
        self._bias_values = None if operands.bias is None else _rounded(operands.bias, data_type)
        dtype = getattr(torch, TORCH_TYPES[data_type])
        self._a, bt = (to_tensor(values, device).to(dtype) / 128 for values in (operands.a, operands.b))
        self._bt = bt.t()
        self._bias = None if self._bias_values is None else to_tensor(self._bias_values, device).to(dtype)
        self._out = poisoned_tensor(self.problem, device)
        self._matmul, self._addmm = torch.matmul, torch.addmm

    def launch(self) -> None:
        if self._bias is None:
            self._matmul(self._a, self._bt, out=self._out)
        else:
            self._addmm(self._bias, self._a, self._bt, out=self._out)

    def output(self) -> Array:
        return to_numpy(self._out)

    def verify(self) -> str:
        want = float_reference(self._operands.a, self._operands.b, self._bias_values)
        return compare_float(self.problem, self.output(), *want).describe()


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

    def prepare(self, problem: Problem, config_id: str, operands: Operands, device: str) -> IntegerLaunch | FloatLaunch:
        reason = _illegal_reason(config_id, problem, device)
        if reason:
            raise ImmabenchError(f"{config_id} cannot compute {problem.key}: {reason}")
        if config_id == "torch_int8":
            return IntegerLaunch(problem, operands, device)
        return FloatLaunch(problem, operands, device, CONFIG_TYPES[config_id])


def float_problem(problem: Problem, data_type: str) -> Problem:
    """`problem` as a float baseline computes it: every type `data_type`, no scales."""
    return replace(
        problem, a_type=data_type, b_type=data_type, output_type=data_type, row_scale="none", col_scale="none"
    )


def _illegal_reason(config_id: str, problem: Problem, device: str) -> str | None:
    if problem.a_type != "s8":
        return "computes problems stated in s8 only"
    narrow = problem.m <= 16 or problem.n % 8 or problem.k % 8
    if config_id == "torch_int8" and device == "cuda" and narrow:
        return "torch._int_mm on CUDA needs M > 16, and N and K in multiples of 8"
    return None


def _column(scale: Any) -> Any:
    """[M] as [M,1]; [1] and None as they are."""
    return scale if scale is None else scale.reshape(-1, 1)


def _rounded(values: Array, data_type: str) -> Array:
    """float32 values rounded to `data_type` and held as float32, so that the reference adds what the launch adds."""
    if data_type == "bf16":
        return bf16_to_f32(f32_to_bf16(values))
    return values.astype(np.float16).astype(np.float32) if data_type == "f16" else values
