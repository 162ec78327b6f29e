"""Weights of a quantized model as operators take them: codes of 8 bits as they are, fewer packed."""

from __future__ import annotations

import torch

from immabench.data_types import pack_codes
from immabench.ops.weights import PackedWeights, pack_weights
from immabench.quantize.weights import LayerWeights

FLIP = 8
"""Between signed codes of 4 bits and the unsigned ones that groups with zero points have."""


def scales_of_columns(weights: LayerWeights) -> torch.Tensor | None:
    """`col_scale` [1] or [N]; None where groups, or channels with zero points, have scales of their own."""
    return None if _scales_within(weights) else weights.scale.reshape(-1).float().contiguous()


def packed_codes(codes: torch.Tensor) -> torch.Tensor:
    """uint8 [N, K/2] of codes of 4 bits, int8 [N, K], two a byte, the low nibble first."""
    return torch.from_numpy(pack_codes(codes.numpy() & 15, 4))


def packed(weights: LayerWeights, activations: torch.dtype) -> PackedWeights:
    """Weights for activations of a type. Raises UsageError, with the reason, where no kernel takes them."""
    recipe = weights.recipe
    if recipe.bits == 8:
        return pack_weights(weights.codes, activations)
    codes, groups = weights.codes, {}
    if not recipe.symmetric:
        # Those with steps were made as unsigned codes.
        flip = 0 if recipe.steps else FLIP
        codes = codes + flip
        groups["group_zero"] = (weights.zero_point + flip).reshape(len(codes), -1).to(torch.uint8)
    if weights.step is not None:
        groups["group_step"] = weights.step
    elif _scales_within(weights):
        scale_type = torch.float32 if activations == torch.int8 else activations
        groups["group_scale"] = weights.scale.reshape(len(codes), -1).to(scale_type)
    return pack_weights(packed_codes(codes), activations, **groups)


def _scales_within(weights: LayerWeights) -> bool:
    """Whether scales are applied before the sums of K are complete, or with a zero point."""
    recipe = weights.recipe
    return not recipe.steps and (recipe.granularity == "group" or (recipe.bits == 4 and not recipe.symmetric))
