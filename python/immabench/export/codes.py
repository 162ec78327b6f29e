"""Which values of a graph are read as codes, by whom and with which scale: where Q and DQ stand."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from immabench.quantize.layers import Operand
from immabench.quantize.operators import selects
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipes import ActivationRecipe
from immabench.quantize.schemes import QuantizationParameters


@dataclass(frozen=True)
class Reading:
    """An operand that its layer reads as codes; `parameters` is None where scales are found when running."""

    operand: Operand
    recipe: ActivationRecipe
    parameters: QuantizationParameters | None


class Readings:
    """All operands of a quantized model that are read as codes, and the values that nobody reads otherwise."""

    def __init__(self, quantized: QuantizedModel) -> None:
        self._readings: dict[tuple[str, str], Reading] = {}
        self._order: dict[str, int] = {}
        for plan, layer in zip(quantized.plans, quantized.traced.layers, strict=True):
            for operand in layer.operands:
                if plan.activations is None or (operand.role == "residual" and not plan.residual):
                    continue
                parameters = quantized.parameters_of.get(operand.name)
                self._readings[operand.reader, operand.node] = Reading(operand, plan.activations, parameters)
                self._order[operand.name] = len(self._order)

    def of(self, reader: fx.Node, node: fx.Node) -> Reading | None:
        """How one node reads the value of another, None where it reads floats."""
        return self._readings.get((reader.name, node.name))

    def of_operand(self, operand: Operand | None) -> Reading | None:
        """How an operand is read, None where it is read as floats or there is none."""
        return None if operand is None else self._readings.get((operand.reader, operand.node))

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
