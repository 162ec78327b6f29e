"""Memory of one problem: operands and a poisoned output that belong to the measurement, not to a provider.

A provider gets these and launches into them. It owns no output, so it cannot hand out a result it did not write; its
operands are overwritten in place and launched again, so it cannot hand out an old one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from immabench.data_types import Array
from immabench.operands import ACTIVATIONS, OPERAND_NAMES, Operands, operand_type, poisoned_output, typed_operands
from immabench.problems import Problem

WEIGHTS = tuple(name for name in OPERAND_NAMES if name not in ACTIVATIONS)
"""Operands that a launch never changes, and a provider may rearrange once."""


class Buffers(ABC):
    """Operands and output on one device, as `problem` types them: numpy arrays on the host, torch tensors on "cuda".

    Shapes are those of `typed_operands`, `out` is [M,N]; None where absent. bf16 and e4m3 are bits on the host. All but
    `ACTIVATIONS` are weights or belong to them: a provider may rearrange those once, when it prepares. What activations
    hold when a launch starts is what counts.
    """

    problem: Problem
    device_kind: str
    a: Any
    b: Any
    row_scale: Any
    col_scale: Any
    bias: Any
    a_zero: Any
    b_sum: Any
    residual: Any
    residual_scale: Any
    residual_zero: Any
    out_scale: Any
    out_zero: Any
    group_scale: Any
    group_step: Any
    group_zero: Any
    out: Any

    def _hold(self, typed: Operands, place: Callable[[str, Any], Any]) -> None:
        """Set every operand, as `place(name, values)` has it."""
        for name in OPERAND_NAMES:
            setattr(self, name, place(name, getattr(typed, name)))

    @abstractmethod
    def load(self, names: Iterable[str], operands: Operands) -> None:
        """Overwrite the operands so named, of `ACTIVATIONS` or `WEIGHTS`, in place; absent ones are passed over."""

    @abstractmethod
    def poison(self) -> None:
        """Overwrite the output with what no kernel writes."""

    @abstractmethod
    def result(self) -> Array:
        """A copy of the output on the host, ordered after what was launched on the current stream and nothing else."""


class HostBuffers(Buffers):
    """Buffers for the CPU and for the emulated machine: aligned numpy arrays."""

    def __init__(self, problem: Problem, operands: Operands, device_kind: str = "cpu") -> None:
        self.problem, self.device_kind = problem, device_kind
        self._hold(typed_operands(problem, operands), lambda _, values: values)
        self.out = poisoned_output(problem)

    def load(self, names: Iterable[str], operands: Operands) -> None:
        typed = typed_operands(self.problem, operands)
        for name in names:
            if getattr(self, name) is not None:
                np.copyto(getattr(self, name), getattr(typed, name))

    def poison(self) -> None:
        np.copyto(self.out, poisoned_output(self.problem))

    def result(self) -> Array:
        copy: Array = self.out.copy()
        return copy


class CudaBuffers(Buffers):
    """Buffers on the current GPU. torch is imported here."""

    device_kind = "cuda"

    def __init__(self, problem: Problem, operands: Operands) -> None:
        from immabench.providers.torch_tensors import to_tensor, torch_device

        device = torch_device("cuda")
        self.problem = problem
        self._hold(
            typed_operands(problem, operands),
            lambda name, values: to_tensor(values, device, operand_type(problem, name)),
        )
        self.out = to_tensor(poisoned_output(problem), device, problem.output_type)

    def load(self, names: Iterable[str], operands: Operands) -> None:
        typed = typed_operands(self.problem, operands)
        for name in names:
            _overwrite(getattr(self, name), getattr(typed, name), operand_type(self.problem, name))

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


def _overwrite(tensor: Any, values: Array | None, data_type: str) -> None:
    from immabench.providers.torch_tensors import to_tensor

    if tensor is not None:
        tensor.copy_(to_tensor(values, "cpu", data_type))
