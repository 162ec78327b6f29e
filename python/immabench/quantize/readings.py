"""Which values of a graph are read as codes, by whom and with which scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from immabench.quantize.layers import Layer, Operand
from immabench.quantize.operators import selects
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantizers import DynamicQuantizer, StaticQuantizer
from immabench.quantize.recipes import ActivationRecipe
from immabench.quantize.schemes import QuantizationParameters


@dataclass(frozen=True)
class Reading:
    """An operand that its layer reads as codes; `parameters` is None where scales are found when running."""

    layer: str
    operand: Operand
    recipe: ActivationRecipe
    parameters: QuantizationParameters | None

    def quantizer(self) -> torch.nn.Module:
        """What makes of values what their codes stand for."""
        if self.parameters is not None:
            return StaticQuantizer(self.parameters)
        return DynamicQuantizer(self.recipe.scheme, self.recipe.scales)


class Readings:
    """All operands that the layers of a quantized model read as codes, in the order of the layers."""

    def __init__(
        self,
        layers: Sequence[Layer],
        plans: Sequence[LayerPlan],
        parameters_of: Mapping[str, QuantizationParameters],
    ) -> None:
        self._all = list(_all(layers, plans, parameters_of))
        self._of = {(one.operand.reader, one.operand.node): one for one in self._all}
        self._order = {one.operand.name: place for place, one in enumerate(self._all)}

    def __iter__(self) -> Iterator[Reading]:
        return iter(self._all)

    def of(self, reader: fx.Node, node: fx.Node) -> Reading | None:
        """How one node reads the value of another, None where it reads floats."""
        return self._of.get((reader.name, node.name))

    def of_operand(self, operand: Operand | None) -> Reading | None:
        """How an operand is read, None where it is read as floats or there is none."""
        return None if operand is None else self._of.get((operand.reader, operand.node))

    def all_alike(self, node: fx.Node) -> Reading | None:
        """The first reader of a value that everybody reads as codes of one static scale, through views and maxima too.

        Such a value is codes where it lies in memory: of codes, they select codes.
        """
        found = self._readers(node)
        known = [reading for reading in found if reading is not None and reading.parameters is not None]
        if not found or len(known) < len(found) or any(one.parameters != known[0].parameters for one in known):
            return None
        return min(known, key=lambda reading: self._order[reading.operand.name])

    def _readers(self, node: fx.Node) -> list[Reading | None]:
        found: list[Reading | None] = []
        for user in node.users:
            reading = self.of(user, node)
            found += self._readers(user) if reading is None and selects(user) else [reading]
        return found


def _all(
    layers: Sequence[Layer], plans: Sequence[LayerPlan], parameters_of: Mapping[str, QuantizationParameters]
) -> Iterator[Reading]:
    plan_of = {plan.layer: plan for plan in plans}
    for layer in layers:
        plan = plan_of[layer.name]
        for operand in plan.quantized_operands(layer):
            assert plan.activations is not None, "or nothing would be read as codes"
            yield Reading(layer.name, operand, plan.activations, parameters_of.get(operand.name))
