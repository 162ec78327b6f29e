"""A graph of ATen operators written node by node as one of ONNX: what each value is called, of which type, in codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto
from torch import fx

from immabench.errors import UsageError
from immabench.export.activations import Activations
from immabench.export.engines import Engine
from immabench.export.nodes import ELEMENT_TYPES, FLOATS, Nodes
from immabench.quantize.attributes import is_attribute, module_path, value
from immabench.quantize.layers import Layer
from immabench.quantize.operators import selects
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.quantizers import FLOAT_TYPES

OperatorWriter = Callable[["GraphWriter", fx.Node], Any]
"""Writes what a node computes; gives the name of the result, a size that may change, or a number known now."""


class Size(str):
    """The name of an int64 vector of one element: a size that may change, or what is computed of such."""


class GraphWriter:
    """Writes the graph of a quantized model. `table` has a writer for each operator."""

    def __init__(self, quantized: QuantizedModel, engine: Engine, opset: int, table: Mapping[Any, OperatorWriter]):
        self.quantized, self.engine, self.opset = quantized, engine, opset
        self.graph = quantized.traced.graph
        self.nodes = Nodes()
        self.readings = quantized.readings
        self.activations = Activations(self.nodes, engine)
        self.floats = ELEMENT_TYPES[FLOAT_TYPES[quantized.recipe.floats]]
        self.plans: dict[str, LayerPlan] = {plan.layer: plan for plan in quantized.plans}
        self.in_floats: dict[str, str] = {}
        self._table = table
        self._values: dict[fx.Node, Any] = {}
        self._nodes_by_name = {node.name: node for node in self.graph.graph.nodes}
        self._places = self._layer_nodes()

    def write(self) -> list[str]:
        """Write every node; gives the values that the model returns."""
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                given = self.nodes.name_taken(node.name, ELEMENT_TYPES[node.meta["val"].dtype])
                self._values[node] = self._stored(node, given)
            elif node.op == "call_function":
                self._values[node] = self._stored(node, self._written(node))
            elif node.op == "output":
                return [
                    self.nodes.cast(self.tensor(one), ELEMENT_TYPES[one.meta["val"].dtype], "output")
                    for one in _flat(node.args[0])
                ]
        raise UsageError("the graph returns nothing", "trace a model that returns tensors")

    def where(self, node: fx.Node) -> str:
        """The name that nodes of ONNX begin with: the layer's, else the module's path, else the operator's own."""
        layer = self._places.get(node.name)
        return layer.name if layer else module_path(node) or str(node.name)

    def node_named(self, name: str) -> fx.Node:
        """The node of that name."""
        return self._nodes_by_name[name]

    def layer_of(self, node: fx.Node) -> Layer | None:
        """The layer whose kernel computes a node: its product or what is fused with it."""
        return self._places.get(node.name)

    def type_at(self, node: fx.Node) -> int:
        """The element type of a node's result: floats are of the recipe's type, within integer layers fp32."""
        dtype = node.meta["val"].dtype
        if not dtype.is_floating_point:
            return int(ELEMENT_TYPES[dtype])
        layer = self._places.get(node.name)
        exact = layer is not None and self.plans[layer.name].activations is not None
        return int(TensorProto.FLOAT if exact else self.floats)

    def tensor(self, given: Any, type_: int = 0) -> str:
        """The value that a node stands for, in its own type or another; a size or a number as a scalar."""
        if isinstance(given, fx.Node) and is_attribute(given):
            return self._attribute(given, type_)
        known = self._values[given] if isinstance(given, fx.Node) else given
        if isinstance(known, Size):
            known = self.nodes.add("Squeeze", [known], str(given))
        elif not isinstance(known, str):
            known = self.nodes.constant(np.asarray(known), "number", type_)
        return self.nodes.cast(known, type_, _scope(known)) if type_ else known

    def read(self, node: fx.Node, given: Any, type_: int = 0) -> str:
        """As `tensor`, but what the codes stand for where `node` reads codes."""
        reading = self.readings.of(node, given) if isinstance(given, fx.Node) else None
        if reading is None:
            return self.tensor(given, type_)
        return self.nodes.cast(self.activations.read(reading, self.tensor(given)), type_ or TensorProto.FLOAT, "cast")

    def floats_of(self, node: fx.Node, given: Any) -> str:
        """What a node reads, in the type of the node's result."""
        return self.read(node, given, self.type_at(node))

    def size(self, given: Any) -> int | Size:
        """A size: a number, or a vector of one element."""
        known = self._values[given] if isinstance(given, fx.Node) else given
        return known if isinstance(known, Size) else int(known)

    def sizes(self, given: list[Any], where: str) -> str:
        """A shape as a vector of int64: constant where all of it is known."""
        sizes = [self.size(one) for one in given]
        if not any(isinstance(one, Size) for one in sizes):
            return self.nodes.integers([int(one) for one in sizes], f"{where}.shape")
        parts = [one if isinstance(one, Size) else self.nodes.integers([one], f"{where}.size") for one in sizes]
        return self.nodes.add("Concat", parts, where, axis=0)

    def emit(self, node: fx.Node, operator: str, inputs: list[str], **attributes: Any) -> str:
        """The result of one operator that stands for a node, of the node's type."""
        return self.nodes.add(operator, inputs, self.where(node), type_=self.type_at(node), **attributes)

    def known(self, node: fx.Node) -> Any:
        """What was written for a node that is no attribute."""
        return self._values[node]

    def clamped(self, node: fx.Node, value: str, low: float, high: float) -> bool:
        """Whether the codes of an activation clamp it to [low, high], so that nothing else has to."""
        reading = self.readings.all_alike(node)
        if reading is None or node.name not in self._places or not self.engine.clips:
            return False
        self.activations.bound(reading, value, low, high)
        return True

    def refuse(self, node: fx.Node, why: str = "") -> UsageError:
        """The error for a node that has no counterpart here."""
        place = module_path(node) or "the model"
        reason = f" with {why}" if why else ""
        return UsageError(
            f"{str(node.target).removeprefix('aten.')}{reason}, in {place}, is not exported to ONNX",
            "write the model without it, or add a writer to immabench.export.operators",
        )

    def _written(self, node: fx.Node) -> Any:
        if node.target not in self._table:
            raise self.refuse(node)
        return self._table[node.target](self, node)

    def _stored(self, node: fx.Node, known: Any) -> Any:
        """In codes where everybody reads it so; what is selected from codes is known to be codes."""
        if not isinstance(known, str) or isinstance(known, Size):
            return known
        if selects(node) and isinstance(node.args[0], fx.Node) and not is_attribute(node.args[0]):
            self.activations.selected(known, str(self._values[node.args[0]]))
            return known
        reading = self.readings.all_alike(node)
        return self.activations.read(reading, known) if reading is not None else known

    def _attribute(self, node: fx.Node, type_: int) -> str:
        tensor = value(self.graph, node).detach()
        own = self.floats if tensor.dtype.is_floating_point else ELEMENT_TYPES[tensor.dtype]
        array = tensor.float().numpy() if tensor.dtype.is_floating_point else tensor.numpy()
        wanted = type_ if type_ in FLOATS and own in FLOATS else own
        found = self.nodes.constant(array, str(node.target), wanted)
        return self.nodes.cast(found, type_ or wanted, str(node.target))

    def _layer_nodes(self) -> dict[str, Layer]:
        """Every node of a layer, by name."""
        found: dict[str, Layer] = {}
        for layer in self.quantized.traced.layers:
            name = layer.node
            while True:
                found[name] = layer
                if name == layer.output:
                    break
                name = next(iter(self._nodes_by_name[name].users)).name
        return found


def _flat(returned: Any) -> list[fx.Node]:
    if isinstance(returned, fx.Node):
        return [returned]
    given = returned.values() if isinstance(returned, Mapping) else returned
    return [node for one in given if one is not None for node in _flat(one)]


def _scope(name: str) -> str:
    return name.rpartition("/")[0] or name
