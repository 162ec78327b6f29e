"""In which forms values of a quantized model are read: as floats, as codes of one scale, as codes found when running.

A form is wanted by a reader and made where the value is: so a product ends in the codes of those who read it, and
nothing becomes floats that nobody reads as floats.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import torch
from torch import fx

from immabench.quantize.attributes import arguments
from immabench.quantize.layers import Layer, nodes_of
from immabench.quantize.operators import selects
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.readings import Reading
from immabench.quantize.schemes import QuantizationParameters, TensorScheme

_aten = torch.ops.aten


@dataclass(frozen=True)
class Floats:
    """The value itself, in the recipe's float type; of what is no float, the value."""


@dataclass(frozen=True)
class Dynamic:
    """Codes with a scale of the tensor, or of each token, found when running; `packed` has two of them a byte."""

    scheme: TensorScheme
    by_token: bool
    packed: bool = False


@dataclass(frozen=True)
class Packed:
    """Codes of 4 bits with a scale that is known, two a byte."""

    parameters: QuantizationParameters


Form = Floats | QuantizationParameters | Dynamic | Packed
"""`QuantizationParameters` are those of codes one a byte: what selects from values selects from such codes alone."""

FLOATS = Floats()


@dataclass
class Wanted:
    """The forms of one value that somebody reads, in the order they were asked for."""

    forms: dict[Form, None] = field(default_factory=dict)

    def add(self, form: Form) -> None:
        """Ask for a form, which may have been asked for."""
        self.forms[form] = None

    @property
    def static(self) -> list[QuantizationParameters]:
        """Codes with scales that are known."""
        return [form for form in self.forms if isinstance(form, QuantizationParameters)]

    @property
    def floats(self) -> bool:
        """Whether floats are needed: to be read, or to be made into what is not selected from."""
        return any(not isinstance(form, QuantizationParameters) for form in self.forms)


@dataclass(frozen=True)
class Program:
    """What of a quantized model runs by integer operators: layers with their plans, by name, and what they read."""

    layers: Mapping[str, Layer]
    plans: Mapping[str, LayerPlan]
    form_of: Mapping[tuple[str, str], Form]
    """Of an operand, by the nodes that read and give it."""
    inner: frozenset[str]
    """Nodes within layers, whose values nobody sees."""

    @classmethod
    def of(cls, quantized: QuantizedModel, simulated: Container[str]) -> Program:
        """`simulated` are layers that no operator computes, though their plans name one."""
        plans = {plan.layer: plan for plan in quantized.plans}
        layers = {
            layer.name: layer
            for layer in quantized.traced.layers
            if plans[layer.name].operator and layer.name not in simulated
        }
        form_of = {
            (reading.operand.reader, reading.operand.node): operand_form(plans[reading.layer], reading)
            for reading in quantized.readings
            if reading.layer in layers
        }
        nodes = {node.name: node for node in quantized.traced.graph.graph.nodes}
        inner = {name for layer in layers.values() for name in nodes_of(nodes, layer)[:-1]}
        return cls(layers, plans, form_of, frozenset(inner))


def operand_form(plan: LayerPlan, reading: Reading) -> Form:
    """As which codes a layer reads an operand."""
    packed = plan.operator == "gemm_w4a4" and reading.operand.role == "input"
    if reading.parameters is None:
        return Dynamic(reading.recipe.scheme, reading.recipe.scales == "token", packed)
    return Packed(reading.parameters) if packed else reading.parameters


def wanted_forms(graph: fx.Graph, program: Program) -> dict[str, Wanted]:
    """The forms of each node's value that its readers want. Codes are asked for through what selects from them."""
    wanted: dict[str, Wanted] = {node.name: Wanted() for node in graph.nodes}
    for node in reversed(list(graph.nodes)):
        for user in node.users:
            _ask(wanted, node, user, program)
    return wanted


def _ask(wanted: dict[str, Wanted], node: fx.Node, user: fx.Node, program: Program) -> None:
    form = program.form_of.get((user.name, node.name))
    if form is not None:
        wanted[node.name].add(form)
    elif selects_codes(user) and user.args[0] is node:
        for behind in wanted[user.name].static:
            wanted[node.name].add(behind)
        if wanted[user.name].floats:
            wanted[node.name].add(FLOATS)
    else:
        wanted[node.name].add(FLOATS)


def selects_codes(node: fx.Node) -> bool:
    """Whether a node's operator, or a kernel in its place, does to codes what it does to values."""
    if node.target == _aten.adaptive_max_pool2d.default:
        return False
    if node.target == _aten.max_pool2d.default:
        given = arguments(node)
        return not given["ceil_mode"] and given["dilation"] in (1, [1], [1, 1])
    return selects(node)
