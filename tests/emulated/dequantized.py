"""What the tests of kernels with 16-bit activations and packed weights share: problems, operands put by hand, runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from running import emulate_buffers

from immabench.data_types import Array, as_float32, round_to
from immabench.float_oracle import FloatReference, float_reference
from immabench.kernels import KernelConfig, kernel_configs
from immabench.operands import OPERAND_NAMES, Operands, make_operands
from immabench.problems import Problem
from immabench.providers.buffers import HostBuffers

GROUPS = (32, 64, 128)


def configs_of(family: str) -> list[KernelConfig]:
    """The kernels of a family that multiply by mma.sync."""
    return [config for config in kernel_configs() if config.family == family and config.id.startswith("hmma")]


def up_to(k: int, multiple: int) -> int:
    """The least multiple that is not below `k`."""
    return -(-k // multiple) * multiple


def exact_weights(problem: Problem, codes: Array, zero: Array, scale: Array) -> Array:
    """round((code - zero) * scale) in the activations' type, as float32, which holds the product's 16 bits exactly."""
    spread = [np.repeat(values, problem.b_group, axis=1).astype(np.float64) for values in (zero, scale)]
    product = (codes.astype(np.float64) - spread[0]) * spread[1]
    assert (product.astype(np.float32) == product).all()
    return as_float32(problem.a_type, round_to(problem.a_type, product.astype(np.float32)))


def emulate_operands(
    config: KernelConfig, problem: Problem, operands: dict[str, Array], **options: Any
) -> tuple[Array, dict[str, Any]]:
    """The output of a launch with these operands, of the problem's types, in place of its random ones."""
    buffers = HostBuffers(problem, make_operands(problem), "emulated")
    for name, values in operands.items():
        getattr(buffers, name)[...] = values
    report = emulate_buffers(config, buffers, **options)
    assert report["hazards"] == []
    return buffers.out, report


def reference_of(problem: Problem, operands: dict[str, Array]) -> FloatReference:
    """What `emulate_operands` has to come near to."""
    buffers = HostBuffers(problem, make_operands(problem), "emulated")
    typed = {name: getattr(buffers, name) for name in OPERAND_NAMES}
    return float_reference(problem, Operands(**{**typed, **operands}))


def any_floats(generator: np.random.Generator, data_type: str, *shape: int) -> Array:
    """Normally distributed numbers of a 16-bit type, every bit of the mantissa in use."""
    return round_to(data_type, generator.normal(0.0, 1.0, shape).astype(np.float32))
