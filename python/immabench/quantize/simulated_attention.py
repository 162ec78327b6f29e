"""Attention as the fused kernel computes it, in floats: exponentials have 8 bits, shares add up to one."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from immabench.attention import LARGEST_CODE


class SimulatedAttention(torch.nn.Module):
    """softmax(q k^T * scale) v of heads [batch, heads, tokens, depth] with a mask of keys: torch's, or where `codes` is
    set, as docs/numerics.md ("Attention") has it but for the exponential, which is torch's, and float32 sums."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = False

    def forward(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_mask: torch.Tensor | None = None, **given: Any
    ) -> torch.Tensor:
        """float32, of the shape of q. A query without keys gives 0 of codes, NaN of floats."""
        if not self.codes:
            return scaled_dot_product_attention(q, k, v, attn_mask, **given)
        scale = given.get("scale")
        scores = (q @ k.transpose(-1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        largest = scores.amax(-1, keepdim=True)
        codes = torch.exp(scores - largest).mul_(LARGEST_CODE).round_().nan_to_num_(0)
        return (codes @ v) / codes.sum(-1, keepdim=True).clamp(min=1)
