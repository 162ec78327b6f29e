"""A call of one of the project's own kernels: a problem's buffers, with weights rearranged as the kernel takes them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from immabench.data_types import Array, as_float32, round_to, stored_integers
from immabench.kernels import KernelConfig, convolution_sizes, kernel_group, workspace_bytes
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

    `packed` is what there is already of that which `packed_weights` makes, by name, on the buffers' device. If all of
    it is there, nothing is copied from the host.
    """

    def __init__(
        self, config: KernelConfig, buffers: Buffers, multiprocessors: int, packed: Mapping[str, Any] | None = None
    ) -> None:
        self._config, self._buffers, self._packed = config, buffers, packed or {}
        needed = workspace_bytes(config, buffers.problem, multiprocessors)
        # Left as it was found, all zeros where blocks count, by every launch.
        self._workspace = zeros(needed, buffers.device_kind) if needed else None
        self._weights: dict[str, Any] = {}
        self.pack()

    def pack(self) -> None:
        """Rearrange the weights as the buffers hold them now: once a model, and no part of a launch's time."""
        made = packed_weights(self._config, self._buffers.problem, self._on_host, given=self._packed)
        self._weights = {name: placed(values, self._buffers.device_kind) for name, values in made.items()}
        self._weights |= self._packed

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

    def _on_host(self, name: str) -> Array | None:
        """One of the buffers, as numpy holds it."""
        values = getattr(self._buffers, name)
        if values is None or isinstance(values, np.ndarray):
            return values
        from immabench.providers.torch_tensors import to_numpy

        return to_numpy(values)


def placed(values: Array, device_kind: str) -> Any:
    """A copy of `values` where launches on a device kind take it: aligned host memory, or a tensor on the GPU."""
    if device_kind != "cuda":
        return aligned(values)
    from immabench.providers.torch_tensors import to_tensor

    return to_tensor(values, "cuda")


def zeros(count: int, device_kind: str) -> Any:
    """So many zero bytes where launches on a device kind take them; on a GPU nothing is copied."""
    if device_kind != "cuda":
        return aligned(np.zeros(count, np.uint8))
    import torch

    return torch.zeros(count, dtype=torch.uint8, device="cuda")


Weights = Callable[[str], "Array | None"]
"""The operands of a problem on the host, by name."""


def packed_weights(
    config: KernelConfig, problem: Problem, weights: Weights, given: Container[str] = ()
) -> dict[str, Array]:
    """What a launch of `config` takes instead of `weights`, those of `problem`; but for what is `given`.

    Fragment-major codes `b` [N / 16, K / block, 512]; what groups have, `group_scale` and `group_affine` [K / group, N
    padded] (packing.groups), groups of unsigned codes all with a zero point; a `bias` of 16 bits as float32.
    """
    makers: dict[str, Callable[[KernelConfig, Problem, Weights], Array]] = {}
    if config.weight_layout == "fragment_major":
        makers["b"] = _fragment_major
        if config.group_scale == "float" and problem.a_type == "s8":
            makers["group_scale"] = lambda config, problem, weights: group_rows(_required(weights, "group_scale"))
        if config.group_scale != "none" and config.operand_types["b"] == "u4":
            makers["group_affine"] = _affine
    if problem.bias and problem.bias_type != "f32":
        makers["bias"] = lambda config, problem, weights: as_float32(problem.bias_type, _required(weights, "bias"))
    return {name: make(config, problem, weights) for name, make in makers.items() if name not in given}


def _required(weights: Weights, name: str) -> Array:
    """An operand that the problem says is there."""
    values = weights(name)
    assert values is not None, name
    return values


def fragment_layout(problem: Problem) -> FragmentMajor:
    """The fragment-major layout of the weights of `problem`."""
    return FRAGMENT_LAYOUTS[TYPE_BITS[problem.b_type], min(16, TYPE_BITS[problem.a_type])]


def becomes_unsigned(config: KernelConfig, problem: Problem) -> bool:
    """Whether `config` takes the signed codes of `problem` as unsigned ones, 8 above."""
    return config.operand_types["b"] == "u4" and problem.b_type == "s4"


def _fragment_major(config: KernelConfig, problem: Problem, weights: Weights) -> Array:
    codes, name = stored_integers(problem.b_type, _required(weights, "b")), problem.b_type
    if becomes_unsigned(config, problem):
        codes, name = codes + np.int8(SIGNED_ZERO), "u4"
    blocks = fragment_layout(problem).reorder(WEIGHT_FORMATS[name], codes)
    return blocks.reshape(*blocks.shape[:2], -1)


def _affine(config: KernelConfig, problem: Problem, weights: Weights) -> Array:
    """What the codes of groups become; a problem without zero points, steps or scales has neutral ones."""
    shape = (problem.n, problem.k // kernel_group(config, problem))

    def given(name: str, neutral: Array) -> Array:
        values = weights(name)
        return neutral if values is None else values

    zero = given("group_zero", np.full(shape, SIGNED_ZERO, np.uint8))
    if problem.a_type == "s8":
        return group_affine(given("group_step", np.ones(shape, np.int8)), zero)
    ones = round_to(problem.a_type, np.ones(shape, np.float32))
    return float_group_affine(problem.a_type, given("group_scale", ones), zero)
