"""A call of one of the project's own kernels: a problem's buffers, with weights rearranged as the kernel takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from immabench.kernels import KernelConfig
from immabench.numerics import Array, as_float32, stored_integers
from immabench.operands import OPERAND_NAMES, aligned
from immabench.packing import FRAGMENT_LAYOUTS, WEIGHT_FORMATS, group_affine, group_rows
from immabench.problems import TYPE_BITS, Problem
from immabench.providers.buffers import Buffers

SIGNED_ZERO = 8
"""The zero point with which unsigned codes, 8 above, stand for signed ones of 4 bits."""


GROUPS = ("group_scale", "group_step", "group_zero")
"""What groups of a problem's weights have; kernels take it rearranged."""


class NativeCall:
    """The operands of `config`'s launches, from `buffers`: activations where they are, weights packed by `pack`."""

    def __init__(self, config: KernelConfig, buffers: Buffers) -> None:
        self._config, self._buffers = config, buffers
        self._weights: dict[str, Any] = {}
        self.pack()

    def pack(self) -> None:
        """Rearrange the weights as the buffers hold them now: once a model, and no part of a launch's time."""
        made = packed_weights(self._config, self._buffers.problem, self._host_weights())
        self._weights = {name: self._placed(name, values) for name, values in made.items()}

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
            "group": problem.b_group,
            **operands,
            **{name: values for name, values in self._weights.items() if name != "b"},
        }

    def _host_weights(self) -> dict[str, Array]:
        """What may have to be rearranged, as numpy holds it."""
        named = {name: getattr(self._buffers, name) for name in ("b", "bias", *GROUPS)}
        return {name: _on_host(values) for name, values in named.items() if values is not None}

    def _placed(self, name: str, values: Array) -> Any:
        if self._buffers.device_kind != "cuda":
            return aligned(values)
        from immabench.providers.torch_tensors import to_tensor

        return to_tensor(values, "cuda", self._buffers.problem.group_scale_type if name == "group_scale" else "")


def packed_weights(config: KernelConfig, problem: Problem, weights: dict[str, Array]) -> dict[str, Array]:
    """What a launch of `config` takes instead of `weights`, those of `problem` on the host by name.

    Fragment-major codes [N / 16, K / block, 512]; what groups have [K / b_group, N padded] (packing.groups), every group
    of unsigned codes with a zero point, and with a step beside int8; a bias of 16 bits as float32.
    """
    made = {}
    if config.weight_layout == "fragment_major":
        made["b"] = _fragment_major(config, problem, weights["b"])
    if problem.b_group:
        made |= _groups(config, problem, weights)
    if problem.bias and problem.bias_type != "f32":
        made["bias"] = as_float32(problem.bias_type, weights["bias"])
    return made


def _fragment_major(config: KernelConfig, problem: Problem, stored: Array) -> Array:
    codes, name = stored_integers(problem.b_type, stored), problem.b_type
    if config.operand_types["b"] == "u4" and name == "s4":
        codes, name = codes + np.int8(SIGNED_ZERO), "u4"
    multiplied = min(16, TYPE_BITS[problem.a_type])
    blocks = FRAGMENT_LAYOUTS[TYPE_BITS[name], multiplied].reorder(WEIGHT_FORMATS[name], codes)
    return blocks.reshape(*blocks.shape[:2], -1)


def _groups(config: KernelConfig, problem: Problem, weights: dict[str, Array]) -> dict[str, Array]:
    made = {}
    if config.group_scale == "float":
        made["group_scale"] = group_rows(weights["group_scale"])
    if config.operand_types["b"] == "u4":
        shape = (problem.n, problem.k // problem.b_group)
        zero = weights.get("group_zero", np.full(shape, SIGNED_ZERO, np.uint8))
        step = weights.get("group_step", np.ones(shape, np.int8))
        beside_s8 = config.operand_types["a"] == "s8"
        made |= {"group_affine": group_affine(step, zero)} if beside_s8 else {"group_zero": group_rows(zero)}
    return made


def _on_host(values: Any) -> Array:
    if isinstance(values, np.ndarray):
        return values
    from immabench.providers.torch_tensors import to_numpy

    return to_numpy(values)
