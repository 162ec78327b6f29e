"""Weights of a layer as codes with scales, by tensor, channel or group, at 2 to 8 bits.

The matrix is [N, K] as kernels read it: a filter [N, C, kh, kw] has K = kh * kw * C, channels fastest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from immabench.errors import UsageError
from immabench.packing.quantizer import LEAST_SCALE
from immabench.packing.quantizer import quantize_weights as quantize_in_steps
from immabench.packing.schemes import weight_scheme
from immabench.quantize.recipes import WeightRecipe
from immabench.quantize.schemes import TensorScheme

SHRINKS = 96
"""Ranges that `mse` tries, from `LEAST_SHRINK` of all weights' to all."""

LEAST_SHRINK = 0.25

SCALE_BYTES = 4
ZERO_BYTES = 1


@dataclass(frozen=True)
class LayerWeights:
    """`codes` int8 [N, K]; `scale` float32 and `zero_point` int32, [blocks, 1] of blocks [blocks, K of a scale] of the
    codes in order; `step` int8 [N, K / group] where groups have steps (then scale is [N, 1]). `shape` is the weight's
    own. A weight is `(code - zero_point) * step * scale`, the integers exact, the product rounded once."""

    recipe: WeightRecipe
    shape: tuple[int, ...]
    codes: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor
    step: torch.Tensor | None = None

    def values(self) -> torch.Tensor:
        """float32 in the weight's own shape and order."""
        blocks = self._blocks(self.codes.float()) - self.zero_point.float()
        if self.step is not None:
            blocks = blocks * self.step.reshape(-1, 1).float()
        rows = blocks.reshape(self.codes.shape) if self.step is not None else blocks
        return from_matrix((rows * self.scale).reshape(self.codes.shape), self.shape)

    @property
    def size_bytes(self) -> int:
        """Of the codes packed without gaps, scales, zero points and steps."""
        bits = self.codes.numel() * self.recipe.bits
        zeros = 0 if self.recipe.symmetric else self.zero_point.numel() * ZERO_BYTES
        steps = 0 if self.step is None else self.step.numel()
        return int(-(-bits // 8) + self.scale.numel() * SCALE_BYTES + zeros + steps)

    def _blocks(self, matrix: torch.Tensor) -> torch.Tensor:
        return matrix.reshape(self.zero_point.shape[0], -1)


def to_matrix(weight: torch.Tensor) -> torch.Tensor:
    """[N, K] of a weight [N, C, kh, kw] or [N, K]."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1) if weight.dim() == 4 else weight


def from_matrix(matrix: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """A weight of `shape` from its [N, K]: the inverse of `to_matrix`."""
    if len(shape) != 4:
        return matrix.reshape(shape)
    rows, channels, height, width = shape
    return matrix.reshape(rows, height, width, channels).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def quantize_weight(weight: torch.Tensor, recipe: WeightRecipe) -> LayerWeights:
    """The nearest codes of a weight [N, C, kh, kw] or [N, K], taken as float32, as docs/numerics.md (Quantization of
    weights) has them. A scale of nothing but zeros is 1.

    Raises UsageError for weights that are NaN or infinite, and for groups that do not divide K.
    """
    matrix = to_matrix(weight.detach().float()).contiguous()
    if not torch.isfinite(matrix).all():
        raise UsageError("weights are NaN or infinite", "look at the checkpoint")
    if recipe.group and matrix.shape[1] % recipe.group:
        raise UsageError(f"groups of {recipe.group} do not divide K={matrix.shape[1]}", "choose a group that does")
    if recipe.steps:
        return _in_steps(matrix, recipe, tuple(weight.shape))
    blocks = matrix.reshape(1, -1) if recipe.granularity == "tensor" else matrix
    blocks = matrix.reshape(-1, recipe.group) if recipe.granularity == "group" else blocks
    low, high = blocks.amin(1, keepdim=True).clamp(max=0), blocks.amax(1, keepdim=True).clamp(min=0)
    if recipe.range == "mse":
        shrink = _best_shrink(blocks, low, high, recipe.scheme)
        low, high = low * shrink, high * shrink
    scale, zero_point = _weight_parameters(recipe.scheme, low, high)
    codes = _codes(blocks, scale, zero_point, recipe.scheme).to(torch.int8)
    return LayerWeights(recipe, tuple(weight.shape), codes.reshape(matrix.shape), scale, zero_point)


def scheme_parameters(scheme: TensorScheme, low: torch.Tensor, high: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 scales and int32 zero points of ranges low <= 0 <= high: `TensorScheme.parameters` of each."""
    qmin, qmax = scheme.codes
    if scheme.symmetric:
        scale = torch.maximum(-low, high) / qmax
        return torch.where(scale > 0, scale, 1.0), torch.zeros_like(scale, dtype=torch.int32)
    scale = (high - low).clamp(max=torch.finfo(torch.float32).max) / (qmax - qmin)
    scale = torch.where(scale > 0, scale, 1.0)
    steps = torch.round(-low / scale).clamp(0, qmax - qmin)
    return scale, steps.to(torch.int32) + qmin


def _weight_parameters(
    scheme: TensorScheme, low: torch.Tensor, high: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `scheme_parameters`, but for weights: quotients of float64, rounded once, and at least `LEAST_SCALE`."""
    qmin, qmax = scheme.codes
    low64, high64 = low.double(), high.double()
    quotient = torch.maximum(-low64, high64) / qmax if scheme.symmetric else (high64 - low64) / (qmax - qmin)
    scale = torch.where(quotient > 0, quotient.clamp(min=LEAST_SCALE), 1.0).float()
    if scheme.symmetric:
        return scale, torch.zeros_like(scale, dtype=torch.int32)
    return scale, torch.round(-low / scale).clamp(0, qmax - qmin).to(torch.int32) + qmin


def _codes(blocks: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor, scheme: TensorScheme) -> torch.Tensor:
    return torch.round(blocks / scale).add_(zero_point).clamp_(*scheme.codes)


def _best_shrink(blocks: torch.Tensor, low: torch.Tensor, high: torch.Tensor, scheme: TensorScheme) -> torch.Tensor:
    """The factor of each block's range with the least squared error; all of it where several have the same."""
    best = torch.ones_like(low)
    least = torch.full_like(low, float("inf"), dtype=torch.float64)
    for shrink in np.linspace(1.0, LEAST_SHRINK, SHRINKS):
        scale, zero_point = _weight_parameters(scheme, low * shrink, high * shrink)
        codes = _codes(blocks, scale, zero_point, scheme)
        error = codes.sub_(zero_point).mul_(scale).sub_(blocks).square_().sum(1, keepdim=True, dtype=torch.float64)
        better = error < least
        best, least = torch.where(better, float(shrink), best), torch.where(better, error, least)
    return best


def _in_steps(matrix: torch.Tensor, recipe: WeightRecipe, shape: tuple[int, ...]) -> LayerWeights:
    """As kernels of W4A8 take groups: `immabench.packing` does it."""
    kind = "s4" if recipe.symmetric else "u4"
    scheme = weight_scheme(f"{kind}_g{recipe.group}{'' if recipe.symmetric else '_asym'}_step")
    packed = quantize_in_steps(matrix.numpy(), scheme)
    codes, step = torch.from_numpy(packed.codes()), torch.from_numpy(np.asarray(packed.step))
    zero = torch.zeros(step.shape) if packed.zero is None else torch.from_numpy(packed.zero)
    scale = torch.from_numpy(packed.scale).reshape(-1, 1)
    return LayerWeights(recipe, shape, codes, scale, zero.to(torch.int32).reshape(-1, 1), step)
