"""Layers that stay simulated: their parameters are what codes stand for, and so is what they read as codes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import fx

from immabench.models.integer.forms import Program
from immabench.quantize.attributes import set_bias, set_value
from immabench.quantize.layers import Layer, nodes_of
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.quantizers import FLOAT_TYPES
from immabench.quantize.simulated_attention import SimulatedAttention


class Simulated:
    """What of a quantized model no operator computes; `unsupported` are the reasons that plans do not know."""

    def __init__(self, quantized: QuantizedModel, program: Program, unsupported: Mapping[str, str]) -> None:
        self._quantized, self._program, self._readings = quantized, program, quantized.readings
        nodes = {node.name: node for node in quantized.traced.graph.graph.nodes}
        self._at: dict[str, tuple[Layer, str]] = {}
        for layer in quantized.traced.layers:
            if layer.name not in program.layers:
                plan = program.plans[layer.name]
                note = unsupported.get(layer.name) or plan.fallback or plan.note
                for name in nodes_of(nodes, layer):
                    self._at[name] = (layer, note)

    def at(self, node: fx.Node) -> tuple[Layer | None, str]:
        """The layer that a node is of, and why no operator computes it, "" where the recipe says so."""
        return self._at.get(node.name, (None, ""))

    def parameters(self, owner: fx.GraphModule) -> fx.GraphModule:
        """`owner` with parameters in the recipe's float type; those of simulated layers are what codes stand for."""
        nodes = {node.name: node for node in owner.graph.nodes}
        dtype = FLOAT_TYPES[self._quantized.recipe.floats]
        for name, tensor in owner.state_dict().items():
            if tensor.is_floating_point():
                set_value(owner, name, tensor.to(dtype))
        for layer in self._quantized.traced.products:
            if layer.name in self._program.layers or layer.name not in self._quantized.weights:
                continue
            weight, bias = self._quantized.decoded(layer.name)
            set_value(owner, layer.weight, weight.to(dtype))
            if bias is not None:
                set_bias(owner, nodes[layer.node], bias.to(dtype))
        owner.graph.lint()
        return owner

    def quantizer(self, reader: fx.Node, source: fx.Node) -> torch.nn.Module | None:
        """What makes of a value what its codes stand for, where a node reads it as codes."""
        reading = self._readings.of(reader, source)
        return None if reading is None else reading.quantizer()

    def attention(self, layer: Layer | None) -> torch.nn.Module | None:
        """What computes a layer of attention whose operands are codes."""
        if layer is None or layer.kind != "attention" or self._program.plans[layer.name].activations is None:
            return None
        simulated = SimulatedAttention()
        simulated.codes = True
        return simulated
