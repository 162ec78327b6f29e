"""The layers of a traced model as kernels run them: a product with everything that its epilogue takes in.

They are found by their operators, no model is known by name. A layer is a convolution or a linear layer with its bias,
the residual it adds and the activation after it, an average pooling, or the attention of heads. Whatever else a model
does stays in floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from math import prod
from typing import Literal

import torch
from torch import fx

from immabench.errors import UsageError
from immabench.quantize.attributes import (
    PRODUCTS,
    bias_of,
    has_sizes,
    is_attribute,
    is_float,
    is_product,
    layer_name,
    module_path,
    sizes,
    value,
)
from immabench.quantize.operators import activation_of, is_attention, is_pooling, selects

_aten = torch.ops.aten

Kind = Literal["convolution", "depthwise", "linear", "pooling", "attention"]
Role = Literal["input", "residual", "query", "key", "value"]


@dataclass(frozen=True)
class Operand:
    """A tensor that a layer reads: node `reader` of the graph gets it from node `node`.

    `stored` is the node whose result lies in memory, with one scale: `node`, or the output of a layer it selects from.
    """

    layer: str
    role: Role
    reader: str
    node: str
    stored: str

    @property
    def name(self) -> str:
        """`layer1.0.conv2.input`."""
        return f"{self.layer}.{self.role}"


@dataclass(frozen=True)
class Layer:
    """What one kernel does. `name` is the module path of its weight, of a pooling and of attention that of its module.

    `node` computes the product, `output` is the last node of what is fused: `bias`, `add`, `relu` and so on in `fused`.
    A convolution in groups is "depthwise". `rows`, `columns` and `depth` are M, N and K of the product of one sample;
    of groups N is that of all and K that of one, so that M * N * K are their multiply-accumulates. Of attention M are
    queries, N keys, and K what all heads multiply in both products.
    """

    name: str
    kind: Kind
    node: str
    output: str
    fused: tuple[str, ...]
    operands: tuple[Operand, ...]
    groups: int = 1
    rows: int = 0
    columns: int = 0
    depth: int = 0

    @property
    def is_product(self) -> bool:
        """Whether it has weights."""
        return self.kind in ("convolution", "depthwise", "linear")

    @property
    def weight(self) -> str:
        """The attribute of the graph with its weight."""
        return f"{self.name}.weight"

    @property
    def bias(self) -> str:
        """The attribute of the graph with its bias, where it has one."""
        return f"{self.name}.bias"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return self.rows * self.columns * self.depth

    @property
    def input(self) -> Operand:
        """What it multiplies, or pools; of attention the queries."""
        return self.operands[0]

    @property
    def residual(self) -> Operand | None:
        """What it adds."""
        return next((one for one in self.operands if one.role == "residual"), None)


def find_layers(graph: fx.GraphModule) -> list[Layer]:
    """The layers of a graph of `quantize.graph.trace`, in an order in which they can run: each after those it reads.

    Raises UsageError for a convolution of an image without a batch.
    """
    nodes = list(graph.graph.nodes)
    batch = next((sizes(node)[0] for node in nodes if node.op == "placeholder" and has_sizes(node)), 1)
    found = [_product(graph, node, batch) for node in nodes if is_product(node)]
    names = {layer.name for layer in found}
    found += [_pooling(node, names) for node in nodes if is_pooling(node)]
    found += [_attention(node, names) for node in nodes if is_attention(node)]
    order = {node.name: place for place, node in enumerate(nodes)}
    found.sort(key=lambda layer: order[layer.output])
    outputs = {layer.output for layer in found}
    return [replace(layer, operands=tuple(_stored(one, outputs) for one in layer.operands)) for layer in found]


def nodes_of(nodes: Mapping[str, fx.Node], layer: Layer) -> list[str]:
    """The nodes of a layer from its product to its output."""
    names = [layer.node]
    while names[-1] != layer.output:
        names.append(next(iter(nodes[names[-1]].users)).name)
    return names


def _stored(operand: Operand, outputs: set[str]) -> Operand:
    """What other operators than layers give is stored in floats: read, and so quantized, where it is selected from."""
    return operand if operand.stored in outputs else replace(operand, stored=operand.node)


def _behind(node: fx.Node) -> fx.Node:
    """What a node's values are selected from: behind views, paddings and maxima."""
    while selects(node):
        node = node.args[0]
    return node


def _product(graph: fx.GraphModule, node: fx.Node, batch: int) -> Layer:
    name = layer_name(node)
    operands = [_operand(name, "input", node, node.args[0])]
    fused = ["bias"] if bias_of(node) is not None else []
    end = node
    for following in _followers(node):
        fused.append(activation_of(following) or "add")
        if fused[-1] == "add":
            other = next(one for one in following.args[:2] if one is not end)
            operands.append(_operand(name, "residual", following, other))
        end = following
    weight = value(graph, node.args[1])
    groups = int(node.args[6]) if len(node.args) > 6 else 1
    rows = prod(sizes(node)) // weight.shape[0]
    rows = rows // batch if rows % batch == 0 else rows  # what belongs to no sample is there once
    kind: Kind = "linear" if PRODUCTS[node.target] == "linear" else "depthwise" if groups > 1 else "convolution"
    if kind != "linear" and len(sizes(node)) != 4:
        raise UsageError(f"{name} convolves an image without a batch", "give images [n, c, h, w]")
    return Layer(
        name,
        kind,
        node.name,
        end.name,
        tuple(fused),
        tuple(operands),
        groups,
        rows,
        weight.shape[0],
        prod(weight.shape[1:]),
    )


def _pooling(node: fx.Node, names: set[str]) -> Layer:
    name = _name_of(node, names)
    return Layer(name, "pooling", node.name, node.name, (), (_operand(name, "input", node, node.args[0]),))


def _attention(node: fx.Node, names: set[str]) -> Layer:
    name = _name_of(node, names)
    roles: tuple[Role, ...] = ("query", "key", "value")
    operands = tuple(_operand(name, role, node, one) for role, one in zip(roles, node.args[:3], strict=True))
    (_, heads, queries, depth), keys = sizes(node.args[0]), sizes(node.args[1])[2]
    return Layer(name, "attention", node.name, node.name, (), operands, heads, queries, keys, 2 * heads * depth)


def _name_of(node: fx.Node, names: set[str]) -> str:
    """That of its module, with a number where `names` has that; adds the name."""
    path = module_path(node) or str(node.name)
    name = next(one for one in chain([path], (f"{path}_{i}" for i in count(2))) if one not in names)
    names.add(name)
    return name


def _operand(layer: str, role: Role, reader: fx.Node, node: object) -> Operand:
    assert isinstance(node, fx.Node), "operands of products are results of others"
    return Operand(layer, role, reader.name, node.name, _behind(node).name)


def _followers(product: fx.Node) -> list[fx.Node]:
    """What the epilogue of a product does: one residual, then one activation, each the only reader."""
    followers: list[fx.Node] = []
    following = _only_reader(product)
    if following is not None and _adds_residual(following, product):
        followers.append(following)
        following = _only_reader(following)
    if following is not None and activation_of(following):
        followers.append(following)
    return followers


def _only_reader(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _adds_residual(node: fx.Node, product: fx.Node) -> bool:
    """Whether a node adds a product and another activation of its shape, and this product is the one to do it."""
    if node.target != _aten.add.Tensor or node.kwargs.get("alpha", 1) != 1:
        return False
    others = [other for other in node.args[:2] if other is not product]
    return (
        len(others) == 1
        and is_float(others[0])
        and not is_attribute(others[0])
        and sizes(others[0]) == sizes(product)
        and not _later(others[0], product)
    )


def _later(other: fx.Node, product: fx.Node) -> bool:
    """Whether a product that is added runs after this one: of two, the later adds, when the other is there."""
    return is_product(other) and len(other.users) == 1 and product < other
