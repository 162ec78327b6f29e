"""Weights of fewer bits than their activations, packed once a model as the kernels of every architecture take them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from immabench.errors import OperandError, UsageError
from immabench.kernels import KernelConfig, kernel_configs, operand_mismatch
from immabench.ops.epilogue import NAMES, EpilogueOptions
from immabench.ops.launching import Product
from immabench.ops.packed_codes import float_weights, integer_weights
from immabench.packing.weights import QuantizedWeights
from immabench.problems import Problem
from immabench.providers.native_call import SIGNED_ZERO, packed_weights
from immabench.providers.torch_tensors import to_numpy, to_tensor

SIGN_BITS = 0x88
"""Flipped, two signed codes of a byte are the unsigned ones `SIGNED_ZERO` above."""


class PackedOperands(NamedTuple):
    """Packed weights as an operator is given them, in the order of `WEIGHTS_SCHEMA`."""

    codes: Tensor
    group_scale: Tensor | None
    group_affine: Tensor | None
    n: int
    k: int
    a_type: str
    b_type: str
    b_group: int
    b_scale: str

    def expect_activations(self, name: str, activations: Tensor) -> None:
        """Raise OperandError unless the weights are packed for this type: another reads other codes and scales."""
        if NAMES.get(activations.dtype) != self.a_type:
            given = f"{name} is {activations.dtype}, and the weights are packed for {self.a_type}"
            raise OperandError(given, "pack them for it, or convert it")

    def types(self) -> dict[str, Any]:
        """The fields of a Problem that they make."""
        return {"a_type": self.a_type, "b_type": self.b_type, "b_group": self.b_group, "b_scale": self.b_scale}

    def packed(self) -> dict[str, Tensor]:
        """The tensors by the names that launches have for them."""
        named = {"b": self.codes, "group_scale": self.group_scale, "group_affine": self.group_affine}
        return {name: tensor for name, tensor in named.items() if tensor is not None}


WEIGHTS_SCHEMA = (
    "Tensor codes, Tensor? group_scale, Tensor? group_affine, int n, int k, str a_type, str b_type, int b_group, "
    "str b_scale"
)
COUNT = len(PackedOperands._fields)


def packed_matrices(own: tuple[Any, ...]) -> Product:
    """The operands of a product with packed weights, of an operator's own: activations, `WEIGHTS_SCHEMA`, others."""
    weights = PackedOperands(*own[1 : COUNT + 1])
    return Product(own[0], weights.codes, weights.packed())


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """Weights [N, K] for one type of activations, by `pack_weights`.

    `codes` uint8 [N / 16, K / 64 or 32, 512], `group_scale` float32 and `group_affine` uint16 or uint32 [K / group, N
    padded to 16], `row_sums` int32 [N], the `b_sum` of integers. `b_type`, `b_group` and `b_scale` are a Problem's.
    """

    codes: Tensor
    group_scale: Tensor | None
    group_affine: Tensor | None
    row_sums: Tensor | None
    n: int
    k: int
    a_type: str
    b_type: str
    b_group: int
    b_scale: str

    def as_operands(self) -> PackedOperands:
        """What operators take."""
        return PackedOperands(*(getattr(self, name) for name in PackedOperands._fields))

    def values(self) -> Tensor:
        """What the weights stand for before scales of columns: int8 beside int8, else of the activations' type."""
        problem = smallest_problem(self.n, self.k, self.a_type, self.b_type, self.b_group, self.b_scale)
        on_host = {name: tensor.cpu().contiguous() for name, tensor in self.as_operands().packed().items()}
        return (integer_weights if self.a_type == "s8" else float_weights)(problem, on_host)

    def to(self, device: torch.device | str) -> PackedWeights:
        """The same on another device."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: t.to(device) for name, t in tensors.items() if isinstance(t, Tensor)}
        return replace(self, **moved)


def with_row_sums(weights: PackedWeights, epilogue: EpilogueOptions) -> EpilogueOptions:
    """The options of a product, with the sums of the weights' rows where A has a zero point."""
    options: EpilogueOptions = {**epilogue}
    if "a_zero" in options and weights.row_sums is not None:
        options.setdefault("b_sum", weights.row_sums)
    return options


def pack_weights(
    codes: Tensor,
    activations: torch.dtype = torch.int8,
    *,
    group_scale: Tensor | None = None,
    group_step: Tensor | None = None,
    group_zero: Tensor | None = None,
) -> PackedWeights:
    """Weights for products with activations of a type, on the codes' device.

    `codes` are uint8 [N, K/2], 4 bits two a byte, the low nibble first, signed unless there is a `group_zero`; or int8
    [N, K] beside float activations. Groups of K have a `group_scale` [N, K/group], float32 beside int8, else of the
    activations' type, or an int8 `group_step`; and a uint8 `group_zero`. docs/numerics.md says what they stand for.
    Raises OperandError for tensors that do not fit each other, UsageError where no kernel multiplies such weights.
    """
    given = {"group_scale": group_scale, "group_step": group_step, "group_zero": group_zero}
    groups = {name: tensor for name, tensor in given.items() if tensor is not None}
    problem = _stated(codes, activations, groups)
    operands = {name: to_numpy(tensor) for name, tensor in {"b": codes, **groups}.items()}
    if problem.b_type == "s4" and problem.b_group:
        # Groups of signed codes become those of unsigned ones, which kernels of every architecture take.
        operands["b"] = operands["b"] ^ SIGN_BITS
        operands["group_zero"] = np.full((problem.n, problem.k // problem.b_group), SIGNED_ZERO, np.uint8)
        problem = replace(problem, b_type="u4")
    made = packed_weights(_consumer(problem), problem, operands.get)
    return _with_sums(problem, {name: to_tensor(values, codes.device) for name, values in made.items()})


def pack_quantized(weights: QuantizedWeights, activations: torch.dtype = torch.int8) -> tuple[PackedWeights, Tensor]:
    """Weights of a scheme, and the `col_scale` that goes with them, float32 [1] or [N], on the CPU.

    Scales of groups beside f16 and bf16 are rounded to that type. Raises UsageError for formats without kernels.
    """
    scheme = weights.scheme
    if not scheme.format.integer or scheme.format.bits not in (4, 8):
        raise UsageError(f"no kernel multiplies weights of {scheme.name}", "take a scheme of s8, s4 or u4")
    grouped = scheme.granularity == "group"
    groups: dict[str, Tensor] = {}
    if grouped and not scheme.two_level:
        scale_type = torch.float32 if activations == torch.int8 else activations
        groups["group_scale"] = torch.from_numpy(weights.scale).to(scale_type)
    if weights.step is not None:
        groups["group_step"] = torch.from_numpy(weights.step)
    if weights.zero is not None:
        groups["group_zero"] = torch.from_numpy(weights.zero.reshape(weights.shape[0], -1).astype("uint8"))
    codes = weights.packed.view("int8") if scheme.format.bits == 8 else weights.packed
    of_columns = torch.from_numpy(weights.scale) if "group_scale" not in groups else torch.ones(1)
    return pack_weights(torch.from_numpy(codes), activations, **groups), of_columns


def smallest_problem(n: int, k: int, a_type: str, b_type: str, b_group: int, b_scale: str) -> Problem:
    """A product of one row with such weights."""
    output = "s32" if a_type == "s8" and b_scale != "float" else "f32"
    return Problem(1, n, k, a_type=a_type, b_type=b_type, b_group=b_group, b_scale=b_scale, output_type=output)


def _stated(codes: Tensor, activations: torch.dtype, groups: dict[str, Tensor]) -> Problem:
    a_type = NAMES.get(activations, str(activations))
    if codes.ndim != 2 or codes.dtype not in (torch.uint8, torch.int8):
        what = f"{codes.dtype} {list(codes.shape)}"
        raise OperandError(f"codes are {what}", "pass uint8 [N,K/2] of 4 bits or int8 [N,K]")
    n, k = len(codes), codes.shape[1] * (2 if codes.dtype == torch.uint8 else 1)
    b_type = "s8" if codes.dtype == torch.int8 else ("u4" if "group_zero" in groups else "s4")
    _check_groups(n, k, a_type, groups)
    counts = {tensor.shape[1] for tensor in groups.values()}
    b_group = k // counts.pop() if counts else 0
    b_scale = "float" if "group_scale" in groups else ("step" if "group_step" in groups else "none")
    return smallest_problem(n, k, a_type, b_type, b_group, b_scale)


def _check_groups(n: int, k: int, a_type: str, groups: dict[str, Tensor]) -> None:
    scale_type = {"f16": torch.float16, "bf16": torch.bfloat16}.get(a_type, torch.float32)
    types = {"group_scale": scale_type, "group_step": torch.int8, "group_zero": torch.uint8}
    for name, tensor in groups.items():
        if tensor.dtype != types[name]:
            raise OperandError(f"{name} is {tensor.dtype}, expected {types[name]}", f"convert it beside {a_type}")
        if tensor.ndim != 2 or len(tensor) != n or not tensor.shape[1] or k % tensor.shape[1]:
            raise OperandError(f"{name} has shape {list(tensor.shape)}", f"pass [{n}, K/group], groups dividing K={k}")
    if len({tensor.shape for tensor in groups.values()}) > 1:
        raise OperandError(f"{' and '.join(groups)} have different shapes", "give each group one of each")


def _consumer(problem: Problem) -> KernelConfig:
    """A kernel that takes weights of these types: all that do take them alike."""
    for config in kernel_configs():
        if config.weight_layout == "fragment_major" and operand_mismatch(config, problem) is None:
            return config
    raise UsageError(f"no kernel takes packed weights of {problem.key}", "see `immabench list kernels`")


def _with_sums(problem: Problem, packed: dict[str, Tensor]) -> PackedWeights:
    tensors = (packed["b"], packed.get("group_scale"), packed.get("group_affine"), None)
    types = (problem.a_type, problem.b_type, problem.b_group, problem.b_scale)
    made = PackedWeights(*tensors, problem.n, problem.k, *types)
    if not problem.has_integer_sum:
        return made
    return replace(made, row_sums=made.values().sum(dim=-1, dtype=torch.int32).to(made.codes.device))
