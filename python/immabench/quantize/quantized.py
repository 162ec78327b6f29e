"""A quantized model, simulated: the graph in float32 with weights and activations replaced by what codes stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from immabench.quantize.attributes import set_bias, set_value
from immabench.quantize.instrument import Remembering, instrument
from immabench.quantize.layers import Layer
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantizers import FLOAT_TYPES, Rounding
from immabench.quantize.readings import Reading, Readings
from immabench.quantize.recipes import Recipe
from immabench.quantize.schemes import QuantizationParameters
from immabench.quantize.traced import TracedModel
from immabench.quantize.weights import LayerWeights

Parameters = tuple[torch.Tensor, torch.Tensor | None]
"""Weight and bias of a layer."""


class QuantizedModel(torch.nn.Module):
    """What `quantize.ptq.quantize` makes of a model.

    `weights` has the codes of quantized layers by name, `biases` theirs, `parameters_of` scale and zero point of static
    activations by operand ("conv1.input"): alike for all who read a value by the same recipe. Sums are float32, in
    torch's order.
    """

    def __init__(
        self,
        model: TracedModel,
        recipe: Recipe,
        plans: Sequence[LayerPlan],
        weights: Mapping[str, LayerWeights],
        biases: Mapping[str, torch.Tensor],
        parameters_of: Mapping[str, QuantizationParameters],
    ) -> None:
        super().__init__()
        self.traced, self.recipe, self.plans = model, recipe, list(plans)
        self.weights, self.biases, self.parameters_of = dict(weights), dict(biases), dict(parameters_of)
        self._plan_of = {plan.layer: plan for plan in self.plans}
        self._rounding = None if recipe.floats == "fp32" else Rounding(recipe.floats)
        self._made = instrument(model.graph, model.layers, self._rounding)
        self.graph = self._made.graph
        self._remembering: dict[tuple[str, str], Remembering] = {}
        self._quantizers = {reading.operand.name: self._quantizer(reading) for reading in self.readings}
        self._add_biases()
        self._round_parameters()
        self._floats = {layer.name: self._float_parameters(layer) for layer in model.products}
        self._codes = {name: self.decoded(name) for name in self.weights}
        self.switch([layer.name for layer in model.layers], weights=True, activations=True)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The model's output for a batch of its inputs."""
        try:
            with torch.no_grad():
                return self.graph(*inputs)
        finally:
            for shared in self._remembering.values():
                shared.forget()

    def stored_values(self, *inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Of one run, what layers read, before it becomes codes, by the node whose value is stored."""
        found: dict[str, torch.Tensor] = {}
        for name, probe in self._made.probes.items():
            probe.watchers.append(partial(found.__setitem__, name))
        try:
            self(*inputs)
        finally:
            for probe in self._made.probes.values():
                probe.watchers.clear()
        return found

    def switch(self, layers: Iterable[str], *, weights: bool, activations: bool) -> None:
        """Let layers compute with quantized weights and activations, as their plans have them, or with floats."""
        operands = {layer.name: layer.operands for layer in self.traced.layers}
        for name in layers:
            if name in self.weights:
                self._set_parameters(name, (self._codes if weights else self._floats)[name])
            for operand in operands[name]:
                quantizer = self._quantizers.get(operand.name) if activations else None
                self._made.slots[operand.name].quantizer = quantizer or self._rounding
            if name in self._made.attention:
                self._made.attention[name].codes = activations and self._plan_of[name].activations is not None

    @property
    def readings(self) -> Readings:
        """The operands that layers read as codes, by `plans` and `parameters_of` as they are now."""
        return Readings(self.traced.layers, self.plans, self.parameters_of)

    @property
    def size_bytes(self) -> int:
        """Of all parameters as they would be stored: codes, scales, biases of quantized layers in float32, the rest."""
        quantized = {f"{name}.{part}" for name in self.weights for part in ("weight", "bias")}
        parameters = self.traced.graph.state_dict().items()
        floats = sum(
            tensor.numel() for name, tensor in parameters if name not in quantized and tensor.is_floating_point()
        )
        biases = sum(len(self.biases[name]) for name in self.weights if name in self.biases)
        codes = sum(weights.size_bytes for weights in self.weights.values())
        return int(codes + 4 * biases + FLOAT_TYPES[self.recipe.floats].itemsize * floats)

    def _quantizer(self, reading: Reading) -> torch.nn.Module:
        """One for all who read the same values alike."""
        key = (reading.operand.node, reading.recipe.model_dump_json())
        if key not in self._remembering:
            self._remembering[key] = Remembering(reading.quantizer())
        return self._remembering[key]

    def _add_biases(self) -> None:
        """Where a bias was corrected that a layer had not: until then -0, which changes nothing it is added to."""
        nodes = {node.name: node for node in self.graph.graph.nodes}
        for layer in self.traced.products:
            if layer.name in self.biases and "bias" not in layer.fused:
                set_bias(self.graph, nodes[layer.node], torch.full((layer.columns,), -0.0))
        self.graph.recompile()

    def _round_parameters(self) -> None:
        if self._rounding is None:
            return
        for name, tensor in self.graph.state_dict().items():
            if tensor.is_floating_point():
                set_value(self.graph, name, self._rounding(tensor))

    def _float_parameters(self, layer: Layer) -> Parameters:
        state = self.graph.state_dict()
        return state[layer.weight], state.get(layer.bias)

    def decoded(self, name: str) -> Parameters:
        """What the codes of a layer stand for, and its bias.

        As kernels take groups beside fp16 or bf16 activations: scales, and what codes stand for, of that type.
        """
        weights, plan = self.weights[name], self._plan_of[name]
        in_type = plan.activations is None and weights.recipe.granularity == "group" and not weights.recipe.steps
        if self._rounding is None or not in_type:
            return weights.values(), self.biases.get(name)
        rounded = replace(weights, scale=self._rounding(weights.scale))
        return self._rounding(rounded.values()), self.biases.get(name)

    def _set_parameters(self, name: str, parameters: Parameters) -> None:
        for part, tensor in zip(("weight", "bias"), parameters, strict=True):
            if tensor is not None:
                set_value(self.graph, f"{name}.{part}", tensor)
