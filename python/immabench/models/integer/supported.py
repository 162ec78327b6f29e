"""Which layers operators compute after all: what a plan could not see without the shapes and the packed weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from immabench.convolution import Convolution
from immabench.errors import UsageError
from immabench.kernels import illegal_reason, kernel_configs
from immabench.models.integer.packing import packed
from immabench.models.integer.poolings import unknown_pooling
from immabench.problems import Problem, conv_problem
from immabench.quantize.attributes import arguments, sizes
from immabench.quantize.layers import Layer
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.quantizers import FLOAT_TYPES

PACKED_OPERATORS = ("conv2d_w4a8", "gemm_w4a8", "gemm_w4a16", "gemm_w8a16")


def unsupported_layers(quantized: QuantizedModel) -> dict[str, str]:
    """Layers whose operator cannot compute them, by name, and why."""
    found: dict[str, str] = {}
    layers = {layer.name: layer for layer in quantized.traced.layers}
    nodes = {node.name: node for node in quantized.traced.graph.graph.nodes}
    for plan in quantized.plans:
        layer = layers[plan.layer]
        try:
            reason = _reason(quantized, plan, layer, nodes[layer.node])
        except UsageError as error:
            reason = str(error)
        if reason:
            found[plan.layer] = reason
    return found


def _reason(quantized: QuantizedModel, plan: LayerPlan, layer: Layer, node: fx.Node) -> str:
    """Raises UsageError for weights that cannot be packed."""
    if plan.operator == "avg_pool2d":
        return unknown_pooling(node)
    if plan.operator and plan.weights is not None and plan.weights.bits == 4 and layer.depth % 2:
        return f"codes of 4 bits lie two a byte, and K={layer.depth}"
    if plan.operator not in PACKED_OPERATORS:
        return ""
    weights = quantized.weights[layer.name]
    types = packed(weights, activation_type(quantized, plan)).as_operands().types()
    problem = _problem(layer, node, weights.shape, types)
    reasons = [illegal_reason(config, problem) for config in kernel_configs() if config.family == problem.family]
    return str(reasons[-1]) if all(reasons) else ""


def _problem(layer: Layer, node: fx.Node, shape: tuple[int, ...], types: dict[str, Any]) -> Problem:
    """A layer with packed weights, of one sample."""
    ending: dict[str, Any] = {"output_type": "s8", "out_scale": "tensor", **types}
    if layer.kind != "convolution":
        return Problem(layer.rows, layer.columns, layer.depth, **ending)
    _, channels, height, width = sizes(node.args[0])
    image = Convolution(1, height, width, channels, (shape[2], shape[3]), **geometry(node))
    return conv_problem(image, layer.columns, **ending)


def activation_type(quantized: QuantizedModel, plan: LayerPlan) -> torch.dtype:
    """Of what a layer's weights are multiplied with."""
    return torch.int8 if plan.activations else FLOAT_TYPES[quantized.recipe.floats]


def geometry(node: fx.Node) -> dict[str, Any]:
    """Stride, padding and dilation of a convolution, as pairs."""
    given = {name: arguments(node)[name] for name in ("stride", "padding", "dilation")}
    return {name: (one, one) if isinstance(one, int) else (int(one[0]), int(one[-1])) for name, one in given.items()}
