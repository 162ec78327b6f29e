"""Memory of one problem: operands and a poisoned output that belong to the measurement, not to a provider.

A provider gets these and launches into them. It owns no output, so it cannot hand out a result it did not write; its
operands are overwritten in place and launched again, so it cannot hand out an old one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from immabench.numerics import Array
from immabench.operands import Operands, poisoned_output, typed_operands
from immabench.problems import Problem

ACTIVATIONS = ("a", "row_scale")
WEIGHTS = ("b", "group_scale", "col_scale", "bias")


class Buffers(Protocol):
    """Operands and output on one device, as `problem` types them: numpy arrays on the host, torch tensors on "cuda".

    `a` is [M,K], `b` [N,K], `out` [M,N]; `row_scale` [1] or [M], `col_scale` [1] or [N], `bias` [N], `group_scale`
    [N, K / b_group], None where absent. bf16 and e4m3 are bits on the host; an s4 `b` is uint8 [N, K / 2], low nibble
    first. `b`, `group_scale`, `col_scale` and `bias` are weights: a provider may rearrange them once, when it prepares.
    `a` and `row_scale` are activations, and what they hold when a launch starts is what counts.
    """

    problem: Problem
    device_kind: str
    a: Any
    b: Any
    row_scale: Any
    col_scale: Any
    bias: Any
    group_scale: Any
    out: Any

    def load(self, names: Iterable[str], operands: Operands) -> None:
        """Overwrite the operands so named, of `ACTIVATIONS` or `WEIGHTS`, in place; absent ones are passed over."""

    def poison(self) -> None:
        """Overwrite the output with what no kernel writes."""

    def result(self) -> Array:
        """A copy of the output on the host, ordered after what was launched on the current stream and nothing else."""


class HostBuffers:
    """Buffers for the CPU and for the emulated machine: aligned numpy arrays."""

    def __init__(self, problem: Problem, operands: Operands, device_kind: str = "cpu") -> None:
        self.problem, self.device_kind = problem, device_kind
        typed = typed_operands(problem, operands)
        self.a, self.b, self.bias = typed.a, typed.b, typed.bias
        self.row_scale, self.col_scale, self.group_scale = typed.row_scale, typed.col_scale, typed.group_scale
        self.out = poisoned_output(problem)

    def load(self, names: Iterable[str], operands: Operands) -> None:
        typed = typed_operands(self.problem, operands)
        for name in names:
            if getattr(self, name) is not None:
                np.copyto(getattr(self, name), getattr(typed, name))

    def poison(self) -> None:
        np.copyto(self.out, poisoned_output(self.problem))

    def result(self) -> Array:
        return self.out.copy()


class CudaBuffers:
    """Buffers on the current GPU. torch is imported here."""

    device_kind = "cuda"

    def __init__(self, problem: Problem, operands: Operands) -> None:
        from immabench.providers.torch_tensors import to_tensor, torch_device

        device = torch_device("cuda")
        typed = typed_operands(problem, operands)
        self.problem = problem
        self.a, self.b = to_tensor(typed.a, device, problem.a_type), to_tensor(typed.b, device, problem.b_type)
        self.row_scale, self.col_scale = to_tensor(typed.row_scale, device), to_tensor(typed.col_scale, device)
        self.bias = to_tensor(typed.bias, device, problem.bias_type)
        self.group_scale = to_tensor(typed.group_scale, device, problem.a_type)
        self.out = to_tensor(poisoned_output(problem), device, problem.output_type)

    def load(self, names: Iterable[str], operands: Operands) -> None:
        typed = typed_operands(self.problem, operands)
        for name in names:
            _overwrite(getattr(self, name), getattr(typed, name), _stored_type(self.problem, name))

    def poison(self) -> None:
        _overwrite(self.out, poisoned_output(self.problem), self.problem.output_type)

    def result(self) -> Array:
        from immabench.providers.torch_tensors import to_numpy

        return to_numpy(self.out)


def make_buffers(problem: Problem, operands: Operands, device_kind: str) -> Buffers:
    """Buffers of `problem` on "cpu", "emulated" or "cuda", holding `operands`, the s8 ones it was stated with.

    Raises OperandError for operands that do not fit, MissingHardwareError without CUDA.
    """
    return CudaBuffers(problem, operands) if device_kind == "cuda" else HostBuffers(problem, operands, device_kind)


def _stored_type(problem: Problem, name: str) -> str:
    """The data type of an operand: that of its matrix, of the bias, else float32."""
    types = {"a": problem.a_type, "b": problem.b_type, "group_scale": problem.a_type, "bias": problem.bias_type}
    return types.get(name, "f32")


def _overwrite(tensor: Any, values: Array | None, data_type: str) -> None:
    from immabench.providers.torch_tensors import to_tensor

    if tensor is not None:
        tensor.copy_(to_tensor(values, "cpu", data_type))
