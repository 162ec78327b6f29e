"""Cross-layer equalization: channels between two layers scaled so that both layers' weights use their range alike.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction" (arXiv:1906.04721), 4.1.
"""

from __future__ import annotations

import torch

from immabench.quantize.layers import Layer
from immabench.quantize.traced import TracedModel

POSITIVE_HOMOGENEOUS = ((), ("bias",), ("relu",), ("bias", "relu"))
"""What a first layer may end with: f(s x) = s f(x) for s > 0."""

MOST_ROUNDS = 20
"""Over chains of more than two layers; one pair is done after the first."""

SETTLED = 1e-4
"""Factors this near 1 change nothing that rounding to codes would show."""


def equalize(model: TracedModel) -> TracedModel:
    """The same function with other weights: in a copy, each pair's channels divided in the first layer, multiplied in
    the second, until the ranges of both are their geometric mean. Pairs are found by who reads whom."""
    model = model.copied()
    pairs = equalizable_pairs(model)
    for _ in range(MOST_ROUNDS):
        factors = [_equalize_pair(model, *pair) for pair in pairs]
        if all((factor - 1).abs().max() < SETTLED for factor in factors):
            break
    return model


def equalizable_pairs(model: TracedModel) -> list[tuple[Layer, Layer]]:
    """Layers of which the second alone reads what the first gives, element by element of a channel."""
    readers: dict[str, list[tuple[Layer, str]]] = {}
    for layer in model.layers:
        for operand in layer.operands:
            readers.setdefault(operand.node, []).append((layer, operand.role))
    users = {node.name: len(node.users) for node in model.graph.graph.nodes}
    pairs = []
    for first in model.products:
        reading = readers.get(first.output, [])
        alone = len(reading) == 1 and users[first.output] == 1 and reading[0][1] == "input"
        if alone and first.fused in POSITIVE_HOMOGENEOUS and _same_channels(model, first, reading[0][0]):
            pairs.append((first, reading[0][0]))
    return pairs


def _same_channels(model: TracedModel, first: Layer, second: Layer) -> bool:
    """Whether output channel i of the first is input channel i of the second, and of nothing else.

    Channels of a linear layer are the last dimension, those of a convolution the second.
    """
    alike = second.is_product and (first.kind == "linear") == (second.kind == "linear")
    return alike and second.groups == 1 and model.weight(second).shape[1] == first.columns


def _equalize_pair(model: TracedModel, first: Layer, second: Layer) -> torch.Tensor:
    """Equation 11: s = sqrt(r1 / r2); 1 for a channel that is 0 in either. Gives the divisors [C] of the first."""
    before, after = model.weight(first), model.weight(second)
    out_range = before.abs().flatten(1).amax(1).double()
    in_range = after.abs().transpose(0, 1).flatten(1).amax(1).double()
    factor = torch.sqrt(out_range / in_range)
    factor = torch.where((out_range > 0) & (in_range > 0), factor, 1.0)
    model.set(first.weight, (before / factor.reshape(-1, *[1] * (before.dim() - 1))).float())
    bias = model.bias(first)
    if bias is not None:
        model.set(first.bias, (bias / factor).float())
    model.set(second.weight, (after * factor.reshape(1, -1, *[1] * (after.dim() - 2))).float())
    return factor
