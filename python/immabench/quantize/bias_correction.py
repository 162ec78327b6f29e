"""Bias correction: what rounding weights shifts the mean of each output channel by, taken off its bias.

Nagel et al. 2019 (arXiv:1906.04721), 4.2: the shift is (W_q - W) E[x], and E[x] is that of the calibration data here.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from immabench.quantize.layers import Layer
from immabench.quantize.observing import Observations
from immabench.quantize.traced import TracedModel
from immabench.quantize.weights import LayerWeights


@torch.no_grad()
def corrected_biases(
    model: TracedModel, weights: Mapping[str, LayerWeights], seen: Observations
) -> dict[str, torch.Tensor]:
    """The biases of the layers in `weights`, float32 [N]; one of its own for a layer that had none."""
    found = {}
    for layer in model.products:
        if layer.name in weights:
            difference = weights[layer.name].values() - model.weight(layer)
            shift = mean_output(model, layer, difference, seen.means[layer.name].value)
            bias = model.bias(layer)
            found[layer.name] = -shift if bias is None else bias - shift
    return found


def mean_output(model: TracedModel, layer: Layer, weight: torch.Tensor, mean_input: torch.Tensor) -> torch.Tensor:
    """The mean of what a layer with this weight and no bias gives, float32 [N], over samples and positions.

    A product is linear, so that the mean of outputs is the output of the mean: of an image with its borders.
    """
    if layer.kind == "linear":
        return weight @ mean_input
    node = next(node for node in model.graph.graph.nodes if node.name == layer.node)
    settings = node.args[3:]
    outputs = torch.ops.aten.conv2d.default(mean_input[None], weight, None, *settings)
    return outputs.mean((0, 2, 3))
