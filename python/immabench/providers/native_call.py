"""A call of one of the project's own kernels: a problem's buffers, with weights rearranged as the kernel takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from immabench.kernels import KernelConfig, convolution_sizes, kernel_group, workspace_bytes
from immabench.numerics import Array, as_float32, round_to, stored_integers
from immabench.operands import OPERAND_NAMES, aligned
from immabench.packing import (
    FRAGMENT_LAYOUTS,
    WEIGHT_FORMATS,
    FragmentMajor,
    float_group_affine,
    group_affine,
    group_rows,
)
from immabench.problems import TYPE_BITS, Problem
from immabench.providers.buffers import Buffers

SIGNED_ZERO = 8
"""The zero point with which unsigned codes, 8 above, stand for signed ones of 4 bits."""

GROUPS = ("group_scale", "group_step", "group_zero")
"""What groups of a problem's weights have; kernels take it rearranged."""


class NativeCall:
    """The operands of `config`'s launches, from `buffers`: activations where they are, weights packed by `pack`.

    `codes` are those of the weights where they were rearranged before, on the buffers' device; what goes with them is
    packed here all the same.
    """

    def __init__(self, config: KernelConfig, buffers: Buffers, multiprocessors: int, codes: Any = None) -> None:
        self._config, self._buffers, self._codes = config, buffers, codes
        needed = workspace_bytes(config, buffers.problem, multiprocessors)
        # Left as it was found, all zeros where blocks count, by every launch.
        self._workspace = placed(np.zeros(needed, np.uint8), buffers.device_kind) if needed else None
        self._weights: dict[str, Any] = {}
        self.pack()

    def pack(self) -> None:
        """Rearrange the weights as the buffers hold them now: once a model, and no part of a launch's time."""
        made = packed_weights(self._config, self._buffers.problem, self._host_weights())
        self._weights = {name: placed(values, self._buffers.device_kind) for name, values in made.items()}
        if self._codes is not None:
            self._weights["b"] = self._codes

    @property
    def matrices(self) -> tuple[Any, Any, Any]:
        """A, B and the output, as `emulate_gemm` and `launch_gemm` take them."""
        return self._buffers.a, self._weights.get("b", self._buffers.b), self._buffers.out

    @property
    def options(self) -> dict[str, Any]:
        """Everything else that both take."""
        problem = self._buffers.problem
        operands = {name: getattr(self._buffers, name) for name in OPERAND_NAMES if name not in ("a", "b", *GROUPS)}
        return {
            "output_type": problem.output_type,
            "activation": problem.activation,
            "group": kernel_group(self._config, problem),
            "workspace": self._workspace,
            "convolution": convolution_sizes(problem),
            **operands,
            **{name: values for name, values in self._weights.items() if name != "b"},
        }

    def _host_weights(self) -> dict[str, Array]:
        """What may have to be rearranged, as numpy holds it."""
        codes = ("b",) if self._codes is None else ()
        named = {name: getattr(self._buffers, name) for name in (*codes, "bias", *GROUPS)}
        return {name: _on_host(values) for name, values in named.items() if values is not None}


def placed(values: Array, device_kind: str) -> Any:
    """A copy of `values` where launches on a device kind take it: aligned host memory, or a tensor on the GPU."""
    if device_kind != "cuda":
        return aligned(values)
    from immabench.providers.torch_tensors import to_tensor

    return to_tensor(values, "cuda")


def packed_weights(config: KernelConfig, problem: Problem, weights: dict[str, Array]) -> dict[str, Array]:
    """What a launch of `config` takes instead of `weights`, those of `problem` on the host by name.

    Fragment-major codes [N / 16, K / block, 512]; what groups have [K / group, N padded] (packing.groups), groups of
    unsigned codes all with a zero point; a bias of 16 bits as float32. Without "b" there are no codes to rearrange.
    """
    made = {}
    if config.weight_layout == "fragment_major" and "b" in weights:
        made["b"] = _fragment_major(config, problem, weights["b"])
    if config.weight_layout == "fragment_major" and config.group_scale != "none":
        made |= _groups(config, problem, weights)
    if problem.bias and problem.bias_type != "f32":
        made["bias"] = as_float32(problem.bias_type, weights["bias"])
    return made


def fragment_layout(problem: Problem) -> FragmentMajor:
    """The fragment-major layout of the weights of `problem`."""
    return FRAGMENT_LAYOUTS[TYPE_BITS[problem.b_type], min(16, TYPE_BITS[problem.a_type])]


def becomes_unsigned(config: KernelConfig, problem: Problem) -> bool:
    """Whether `config` takes the signed codes of `problem` as unsigned ones, 8 above."""
    return config.operand_types["b"] == "u4" and problem.b_type == "s4"


def _fragment_major(config: KernelConfig, problem: Problem, stored: Array) -> Array:
    codes, name = stored_integers(problem.b_type, stored), problem.b_type
    if becomes_unsigned(config, problem):
        codes, name = codes + np.int8(SIGNED_ZERO), "u4"
    blocks = fragment_layout(problem).reorder(WEIGHT_FORMATS[name], codes)
    return blocks.reshape(*blocks.shape[:2], -1)


def _groups(config: KernelConfig, problem: Problem, weights: dict[str, Array]) -> dict[str, Array]:
    made = {}
    if config.group_scale == "float" and problem.a_type == "s8":
        made["group_scale"] = group_rows(weights["group_scale"])
    if config.operand_types["b"] == "u4":
        made["group_affine"] = _affine(config, problem, weights)
    return made


def _affine(config: KernelConfig, problem: Problem, weights: dict[str, Array]) -> Array:
    """What the codes of groups become; a problem without zero points, steps or scales has neutral ones."""
    shape = (problem.n, problem.k // kernel_group(config, problem))
    zero = weights.get("group_zero", np.full(shape, SIGNED_ZERO, np.uint8))
    if problem.a_type == "s8":
        return group_affine(weights.get("group_step", np.ones(shape, np.int8)), zero)
    ones = round_to(problem.a_type, np.ones(shape, np.float32))
    return float_group_affine(problem.a_type, weights.get("group_scale", ones), zero)


def _on_host(values: Any) -> Array:
    if isinstance(values, np.ndarray):
        return values
    from immabench.providers.torch_tensors import to_numpy

    return to_numpy(values)
