"""What follows the sums of a product, as the operators are given it: tensors, None where absent."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch

from immabench.errors import UsageError
from immabench.problems import OUTPUT_TYPES, Problem
from immabench.providers.torch_tensors import TORCH_TYPES

DTYPES = {name: getattr(torch, attribute) for name, attribute in TORCH_TYPES.items()}
"""torch's type of each data type."""

NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Epilogue:
    """Vectors are [M] or [N], of a batch [batch,M] and [batch,N], or one value, [1]. docs/numerics.md has the steps."""

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

    def options(self, output_type: str, activation: str) -> dict[str, Any]:
        """The fields of the `Problem` that they make."""
        kinds = {name: _kind(getattr(self, name)) for name in ("row_scale", "col_scale", "a_zero", "out_scale")}
        residual = "none" if self.residual is None else NAMES.get(self.residual.dtype, str(self.residual.dtype))
        present = {"bias": self.bias is not None, "out_zero": self.out_zero is not None}
        return {"output_type": output_type, "activation": activation, "residual": residual, **kinds, **present}

    def operands(self, problem: Problem, b: torch.Tensor) -> dict[str, torch.Tensor | None]:
        """As launches take them, the sums of `b` [.., N, K] too where A has a zero point."""
        made = {field.name: _contiguous(getattr(self, field.name)) for field in fields(self)}
        if problem.a_zero != "none" and made["b_sum"] is None:
            made["b_sum"] = b.sum(dim=-1, dtype=torch.int32)
        return made


def dtype_of(output_type: str) -> torch.dtype:
    """The dtype of an output. Raises UsageError for an unknown type."""
    if output_type not in OUTPUT_TYPES:
        raise UsageError(f"unknown output_type {output_type!r}", f"choose one of {', '.join(OUTPUT_TYPES)}")
    return DTYPES[output_type]


def _kind(vector: torch.Tensor | None) -> str:
    if vector is None:
        return "none"
    return "tensor" if vector.numel() == 1 else "vector"


def _contiguous(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.contiguous()
