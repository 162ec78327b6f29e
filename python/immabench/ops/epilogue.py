"""What follows the sums of a product, as the operators are given it: tensors, None where absent."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, TypedDict

import torch

from immabench.epilogue_vectors import VECTORS
from immabench.errors import OperandError, UsageError
from immabench.problems import OUTPUT_TYPES, Problem
from immabench.providers.torch_tensors import TORCH_TYPES

DTYPES = {name: getattr(torch, attribute) for name, attribute in TORCH_TYPES.items()}
"""torch's type of each data type."""

NAMES = {dtype: name for name, dtype in DTYPES.items()}


class EpilogueOptions(TypedDict, total=False):
    """What every product takes by name. Vectors are [M] or [N], of a batch [batch,M] and [batch,N], or one value, [1].

    `output_type` is s32, the sums themselves, or s8, f32, f16, bf16; `activation` none, relu or gelu. Scales and `bias`
    are float32, zero points and `b_sum`, the sum of each row of B, int32. `residual` has the output's shape and one of
    its types; with int8 it has `residual_scale` and `residual_zero`, [1]. `out_scale` and `out_zero` belong to s8.
    docs/numerics.md has the steps. `kernel` is "" for the best, "emulated", or an id. `panels` are int8 weights as
    `pack_panels` leaves them, beside the weights: on a CPU no call brings them into order then.
    """

    row_scale: torch.Tensor
    col_scale: torch.Tensor
    bias: torch.Tensor
    a_zero: torch.Tensor
    b_sum: torch.Tensor
    residual: torch.Tensor
    residual_scale: torch.Tensor
    residual_zero: torch.Tensor
    out_scale: torch.Tensor
    out_zero: torch.Tensor
    output_type: str
    activation: str
    kernel: str
    panels: torch.Tensor


class TensorKind(NamedTuple):
    """What is known of a tensor without looking at its values: what a call is checked by, its checks are kept by."""

    dtype: torch.dtype
    shape: torch.Size
    device: torch.device

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    def numel(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


class Epilogue(NamedTuple):
    """`EpilogueOptions` as an operator is given them, None where absent. Tensors, or their kinds where values do not
    matter."""

    row_scale: torch.Tensor | None = None
    col_scale: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    a_zero: torch.Tensor | None = None
    b_sum: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    residual_scale: torch.Tensor | None = None
    residual_zero: torch.Tensor | None = None
    out_scale: torch.Tensor | None = None
    out_zero: torch.Tensor | None = None
    output_type: str = "s32"
    activation: str = "none"
    kernel: str = ""
    panels: Any = None

    def options(self) -> dict[str, Any]:
        """The fields of the `Problem` that they make."""
        kinds = {name: _kind(getattr(self, name)) for name in ("row_scale", "col_scale", "a_zero", "out_scale")}
        residual = "none" if self.residual is None else NAMES.get(self.residual.dtype, str(self.residual.dtype))
        present = {"bias": self.bias is not None, "out_zero": self.out_zero is not None}
        types = {"output_type": self.output_type, "activation": self.activation, "residual": residual}
        return {**types, **kinds, **present}

    def check(self, problem: Problem, out_shape: list[int]) -> None:
        """Raise OperandError for a type or shape that does not fit `problem`: nothing is broadcast or converted."""
        for name, vector in VECTORS.items():
            shapes = dict.fromkeys([vector.whole(problem), *([(1,)] if vector.one_for_all else [])])
            expect(name, getattr(self, name), (DTYPES[vector.data_type],), list(shapes))
        if self.residual is not None:
            expect("residual", self.residual, (self.residual.dtype,), [tuple(out_shape)])
        if (problem.residual == "s8") != (self.residual_scale is not None):
            raise OperandError("residual_scale belongs to an int8 residual, and that to it", "give both, or neither")
        if self.panels is not None and not (problem.a_type == problem.b_type == "s8" and problem.batch == 1):
            raise OperandError("panels are of int8 weights without a batch", "leave panels out")
        expect("panels", self.panels, (torch.uint8,))
        for name, needed in (("residual_zero", problem.residual == "s8"), ("b_sum", self.a_zero is not None)):
            if getattr(self, name) is not None and not needed:
                raise OperandError(f"{name} is given, and nothing that it is of", f"leave {name} out")

    def vectors(self) -> dict[str, Any]:
        """The vectors by name, None where absent."""
        return dict(zip(VECTORS, self._vectors(), strict=True))

    def _vectors(self) -> tuple[Any, ...]:
        return (
            self.row_scale,
            self.col_scale,
            self.bias,
            self.a_zero,
            self.b_sum,
            self.residual_scale,
            self.residual_zero,
            self.out_scale,
            self.out_zero,
        )

    def operands(self, problem: Problem, b: torch.Tensor) -> dict[str, torch.Tensor | None]:
        """As launches take them; where A has a zero point the sums of `b` [.., N, K], with an int8 residual its own."""
        made = {name: _contiguous(vector) for name, vector in self.vectors().items()}
        if problem.a_zero != "none" and made["b_sum"] is None:
            if problem.b_type != "s8":
                raise OperandError("a_zero is given without b_sum", "give the sum of each row of B, int32 [N]")
            made["b_sum"] = b.sum(dim=-1, dtype=torch.int32)
        if problem.residual == "s8" and made["residual_zero"] is None:
            made["residual_zero"] = torch.zeros(1, dtype=torch.int32, device=b.device)
        if self.residual is not None:
            made["residual"] = self.residual.reshape(problem.of_batch(problem.m, problem.n)).contiguous()
        return made


def dtype_of(output_type: str) -> torch.dtype:
    """The dtype of an output. Raises UsageError for an unknown type."""
    if output_type not in OUTPUT_TYPES:
        raise UsageError(f"unknown output_type {output_type!r}", f"choose one of {', '.join(OUTPUT_TYPES)}")
    return DTYPES[output_type]


def expect(
    name: str,
    tensor: torch.Tensor | TensorKind | None,
    dtypes: tuple[torch.dtype, ...],
    shapes: Sequence[tuple[int, ...]] = (),
) -> None:
    """Raise OperandError for a tensor of none of `dtypes`, or of none of `shapes` where there are any."""
    if tensor is None:
        return
    if tensor.dtype not in dtypes:
        wanted = " or ".join(map(str, dtypes))
        raise OperandError(f"{name} is {tensor.dtype}, expected {wanted}", f"convert it with {name}.to({dtypes[0]})")
    if shapes and tuple(tensor.shape) not in shapes:
        wanted = " or ".join(str(list(shape)) for shape in shapes)
        raise OperandError(f"{name} has shape {list(tensor.shape)}, expected {wanted}", "nothing is broadcast")


def _kind(vector: torch.Tensor | None) -> str:
    if vector is None:
        return "none"
    return "tensor" if vector.numel() == 1 else "vector"


def _contiguous(tensor: torch.Tensor | None) -> torch.Tensor | None:
    if tensor is None or (tensor.is_contiguous() and not tensor.requires_grad):
        return tensor
    return tensor.detach().contiguous()
