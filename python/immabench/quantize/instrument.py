"""Places in a graph where values are looked at, or replaced by what their codes stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import fx

from immabench.quantize.attributes import copied, is_attribute, is_float
from immabench.quantize.layers import Layer, Operand, nodes_of
from immabench.quantize.operators import selects
from immabench.quantize.simulated_attention import SimulatedAttention

Watcher = Callable[[torch.Tensor], None]


class Probe(torch.nn.Module):
    """Shows the values that pass to whoever watches, and passes them on."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers: list[Watcher] = []

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The values themselves."""
        for watch in self.watchers:
            watch(values)
        return values


class Slot(Probe):
    """A probe at an operand of a layer, whose reader gets what `quantizer` makes of the values."""

    def __init__(self) -> None:
        super().__init__()
        self.quantizer: torch.nn.Module | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """What the layer reads."""
        super().forward(values)
        return values if self.quantizer is None else self.quantizer(values)


class Remembering(torch.nn.Module):
    """A quantizer that several operands share: it works once for values that come again in a run."""

    def __init__(self, quantizer: torch.nn.Module) -> None:
        super().__init__()
        self.quantizer = quantizer
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """What the quantizer makes of `values`."""
        if self._last is None or self._last[0] is not values:
            self._last = (values, self.quantizer(values))
        return self._last[1]

    def forget(self) -> None:
        """Let go of the last values, at the end of a run."""
        self._last = None


@dataclass
class Instrumented:
    """A copy of a graph with a probe at each value that a layer reads, by node, a slot at each operand, by name, and
    attention that can be simulated, by layer."""

    graph: fx.GraphModule
    probes: dict[str, Probe] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    attention: dict[str, SimulatedAttention] = field(default_factory=dict)


def instrument(graph: fx.GraphModule, layers: Iterable[Layer], rounding: torch.nn.Module | None = None) -> Instrumented:
    """Put probes and slots into a copy of `graph`; with `rounding`, every other reader gets floats through it."""
    made = Instrumented(copied(graph))
    layers = list(layers)
    operands = [operand for layer in layers for operand in layer.operands]
    nodes = {node.name: node for node in made.graph.graph.nodes}
    for operand in operands:
        made.slots[operand.name] = slot = Slot()
        _insert_slot(made.graph, operand, nodes, slot)
    for layer in layers:
        if layer.kind == "attention":
            made.attention[layer.name] = simulated = SimulatedAttention()
            _replace(made.graph, nodes[layer.node], simulated)
    if rounding is not None:
        _insert_rounding(made.graph, layers, nodes, rounding)
    for name in dict.fromkeys(operand.stored for operand in operands):
        made.probes[name] = probe = Probe()
        _insert_after(made.graph, nodes[name], f"probe_{name}", probe, keep=lambda _: False)
    made.graph.graph.lint()
    made.graph.recompile()
    return made


def _insert_slot(graph: fx.GraphModule, operand: Operand, nodes: dict[str, fx.Node], slot: Slot) -> None:
    reader, node = nodes[operand.reader], nodes[operand.node]
    name = f"slot_{reader.name}_{operand.role}"  # names of layers with "_" for "." are not unique
    graph.add_submodule(name, slot)
    with graph.graph.inserting_before(reader):
        inserted = graph.graph.call_module(name, (node,))
    reader.replace_input_with(node, inserted)


def _replace(graph: fx.GraphModule, node: fx.Node, module: torch.nn.Module) -> None:
    """Let `module` do what a node's operator does, with the same arguments."""
    graph.add_submodule(node.name, module)
    node.op, node.target = "call_module", node.name


def _insert_rounding(
    graph: fx.GraphModule, layers: list[Layer], nodes: dict[str, fx.Node], rounding: torch.nn.Module
) -> None:
    """Behind each operator that gives floats, but within what a kernel fuses; slots read what is before.

    So do operators that select from values, where it makes no difference to others than slots behind them.
    """
    ends = {layer.output for layer in layers}
    inside = {name for layer in layers for name in nodes_of(nodes, layer)} - ends
    for node in nodes.values():
        if is_float(node) and not is_attribute(node) and node.name not in inside:
            _insert_after(graph, node, f"rounded_{node.name}", rounding, keep=lambda one: _is_slot(one) or selects(one))


def _is_slot(node: fx.Node) -> bool:
    return node.op == "call_module" and str(node.target).startswith("slot_")


def _insert_after(
    graph: fx.GraphModule, node: fx.Node, name: str, module: torch.nn.Module, keep: Callable[[fx.Node], bool]
) -> None:
    """Let `module` stand between a node and its readers, but those to `keep`."""
    graph.add_submodule(name, module)
    with graph.graph.inserting_after(node):
        inserted = graph.graph.call_module(name, (node,))
    node.replace_all_uses_with(inserted, delete_user_cb=lambda user: user is not inserted and not keep(user))
