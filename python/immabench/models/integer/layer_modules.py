"""A layer with its plan as the module that computes it."""

from __future__ import annotations

import torch
from torch import fx

from immabench.models.integer.activations import IntegerAttention
from immabench.models.integer.forms import Packed, Program
from immabench.models.integer.poolings import pooling_module
from immabench.models.integer.products import Ending, IntegerConv2d, IntegerLinear, PackedConv2d, PackedLinear
from immabench.models.integer.supported import PACKED_OPERATORS, activation_type, geometry
from immabench.quantize.layers import Layer
from immabench.quantize.operators import score_scale
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.quantizers import FLOAT_TYPES
from immabench.quantize.schemes import QuantizationParameters


def layer_module(
    quantized: QuantizedModel,
    program: Program,
    layer: Layer,
    node: fx.Node,
    output: QuantizationParameters | None,
) -> torch.nn.Module:
    """What computes `layer`, whose product is `node`, and ends in the codes of `output`, or in floats."""
    if layer.kind == "pooling":
        return pooling_module(node, quantized.parameters_of[layer.input.name], output)
    if layer.kind == "attention":
        scales = [quantized.parameters_of[operand.name] for operand in layer.operands]
        return IntegerAttention(scales, score_scale(node), output, FLOAT_TYPES[quantized.recipe.floats])
    plan, weights = program.plans[layer.name], quantized.weights[layer.name]
    ending = _ending(quantized, program, layer, output)
    if plan.operator == "conv2d_s8":
        return IntegerConv2d(ending, weights, geometry(node))
    if plan.operator == "conv2d_w4a8":
        return PackedConv2d(ending, weights, geometry(node))
    if plan.operator in PACKED_OPERATORS:
        return PackedLinear(plan.operator, ending, weights, activation_type(quantized, plan))
    return IntegerLinear(plan.operator, ending, weights)


def _ending(quantized: QuantizedModel, program: Program, layer: Layer, output: QuantizationParameters | None) -> Ending:
    activation = next((one for one in layer.fused if one in ("relu", "relu6", "gelu")), "none")
    bias, dtype = quantized.biases.get(layer.name), FLOAT_TYPES[quantized.recipe.floats]
    return Ending(bias, _scale(program, layer, "input"), _scale(program, layer, "residual"), output, activation, dtype)


def _scale(program: Program, layer: Layer, role: str) -> QuantizationParameters | None:
    """Of an operand that is read as codes whose scale is known."""
    operand = next((one for one in layer.operands if one.role == role), None)
    form = None if operand is None else program.form_of.get((operand.reader, operand.node))
    form = form.parameters if isinstance(form, Packed) else form
    return form if isinstance(form, QuantizationParameters) else None
