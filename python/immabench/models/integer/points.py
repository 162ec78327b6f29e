"""Values of a quantized model that are stored as codes: where computations of one model are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from immabench.models.integer.model import LayerRecord
from immabench.models.integer.reference import Array
from immabench.quantize.layers import Layer
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.schemes import QuantizationParameters

StoredCodes = Mapping[str, Array]
"""int8 codes by the node of the graph whose value they are, images NCHW."""


@dataclass(frozen=True)
class Point:
    """A value that is stored as codes, or read as such: node `node`, the output of `layer` where a layer gives it, and
    the first operand that reads it, of layer `reader` in place `place`."""

    node: str
    layer: Layer | None
    parameters: QuantizationParameters
    reader: str
    place: int

    def codes(self, values: torch.Tensor) -> Array:
        """Of the value in floats."""
        return self.parameters.codes(values.float().numpy())

    @cached_property
    def named(self) -> tuple[str, bool]:
        """The layer that it is counted with, and whether that computes it."""
        return (self.layer.name, True) if self.layer else (self.reader, False)


def stored_points(quantized: QuantizedModel) -> list[Point]:
    """Every value that is read as codes of 8 bits with scales that are known, in the order they are made."""
    layers = {layer.output: layer for layer in quantized.traced.layers}
    found: dict[str, Point] = {}
    for layer in quantized.traced.layers:
        for place, operand in enumerate(layer.operands):
            with_ = quantized.parameters_of.get(operand.name)
            if with_ is not None and operand.stored not in found:
                source = layers.get(operand.stored)
                found[operand.stored] = Point(operand.stored, source, with_, layer.name, place)
    order = {node.name: place for place, node in enumerate(quantized.traced.graph.graph.nodes)}
    return sorted(found.values(), key=lambda point: order[point.node])


def stored_codes(points: list[Point], records: Mapping[str, LayerRecord]) -> dict[str, Array]:
    """The codes at each point of a run: what its layer gave, else what its reader was given."""
    found: dict[str, Array] = {}
    for point in points:
        record = records.get(point.named[0])
        if record is None:
            continue
        value = record.output if point.layer else record.inputs[point.place]
        if isinstance(value, torch.Tensor):
            codes = value.cpu()
            found[point.node] = codes.numpy() if codes.dtype == torch.int8 else point.codes(codes)
    return found
