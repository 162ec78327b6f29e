"""Quantization of activations as a model computes it: to codes and back in float32, in the steps of docs/numerics.md.

NaN stays NaN here, so that it is seen; kernels give it the zero point.
"""

from __future__ import annotations

import torch

from immabench.quantize.recipes import Floats
from immabench.quantize.schemes import QuantizationParameters, TensorScheme
from immabench.quantize.weights import scheme_parameters

FLOAT_TYPES: dict[Floats, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class StaticQuantizer(torch.nn.Module):
    """By a scale and zero point known beforehand."""

    def __init__(self, parameters: QuantizationParameters) -> None:
        super().__init__()
        self.parameters_of_codes = parameters

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The values that codes of `values` stand for, same shape."""
        with_ = self.parameters_of_codes
        steps = (values / with_.scale).round_()
        return steps.clamp_(with_.qmin - with_.zero_point, with_.qmax - with_.zero_point).mul_(with_.scale)


class DynamicQuantizer(torch.nn.Module):
    """By the range of the finite values themselves: of all, or of each token (the last dimension)."""

    def __init__(self, scheme: TensorScheme, scales: str) -> None:
        super().__init__()
        self.scheme, self.by_token = scheme, scales == "token"

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The values that codes of `values` stand for, same shape."""
        dims = (-1,) if self.by_token else tuple(range(values.dim()))
        finite = values.nan_to_num(0, 0, 0)
        low, high = finite.amin(dims, keepdim=True).clamp(max=0), finite.amax(dims, keepdim=True).clamp(min=0)
        scale, zero_point = scheme_parameters(self.scheme, low, high)
        qmin, qmax = self.scheme.codes
        steps = (values / scale).round_()
        return torch.minimum(torch.maximum(steps, qmin - zero_point), qmax - zero_point).mul_(scale)


class Rounding(torch.nn.Module):
    """To a narrower float type, and back to float32."""

    def __init__(self, floats: Floats) -> None:
        super().__init__()
        self.to_type = FLOAT_TYPES[floats]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The nearest values of the type."""
        return values.to(self.to_type).to(torch.float32)
