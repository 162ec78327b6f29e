"""Parameters and operators of a graph of ATen operators, by the nodes that name them."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import fx

_aten = torch.ops.aten

PRODUCTS = {_aten.conv2d.default: "convolution", _aten.linear.default: "linear"}
"""Operators that multiply with a weight, their second argument; a bias is the third."""


def is_product(node: Any) -> bool:
    """Whether a node multiplies with a weight of the model, and adds no bias but one of the model."""
    if not isinstance(node, fx.Node) or node.target not in PRODUCTS or not is_attribute(node.args[1]):
        return False
    bias = bias_of(node)
    return bias is None or is_attribute(bias)


def copied(graph: fx.GraphModule) -> fx.GraphModule:
    """A graph with parameters and modules of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch's own pytree, when it copies itself
        return copy.deepcopy(graph)


def value(graph: fx.GraphModule, node: fx.Node) -> torch.Tensor:
    """The parameter or buffer that a node of `graph` names."""
    found = graph
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found


def is_attribute(node: Any) -> bool:
    """Whether a node stands for a parameter or a buffer."""
    return isinstance(node, fx.Node) and node.op == "get_attr"


def set_value(graph: fx.GraphModule, name: str, tensor: torch.Tensor) -> None:
    """Make `tensor` what the parameter or buffer `name` of the graph is; without gradients."""
    path, _, last = name.rpartition(".")
    owner = graph.get_submodule(path) if path else graph
    owner._parameters.pop(last, None)
    owner._buffers.pop(last, None)
    owner.register_buffer(last, tensor.detach())


def arguments(node: fx.Node) -> dict[str, Any]:
    """All arguments of an operator by name, those not given by default."""
    schema = node.target._schema.arguments
    found = {one.name: one.default_value for one in schema if one.has_default_value()}
    found.update(zip((one.name for one in schema), node.args, strict=False))
    return {**found, **node.kwargs}


def module_path(node: fx.Node) -> str:
    """The path of the module whose code the node is from; "" for the model's own."""
    return _innermost(node)[0]


def module_class(node: fx.Node) -> str:
    """The class of that module, with its module of Python."""
    return _innermost(node)[1]


def _innermost(node: fx.Node) -> tuple[str, str]:
    stack = node.meta.get("nn_module_stack") or {}
    return next(((str(path), str(named)) for path, named in reversed(list(stack.values()))), ("", ""))


def layer_name(product: fx.Node) -> str:
    """The name of the layer that a product of `own_parameters` is: its weight is `NAME.weight`."""
    return str(product.args[1].target).rpartition(".")[0]


def sizes(node: fx.Node) -> list[int]:
    """The shape a node's value had in the trace; dimensions that may change as they were then."""
    return [size if isinstance(size, int) else int(size.node.hint) for size in node.meta["val"].shape]


def has_sizes(node: fx.Node) -> bool:
    """Whether a node's value is a tensor of one dimension or more."""
    traced = node.meta.get("val")
    return isinstance(traced, torch.Tensor) and traced.dim() > 0


def is_float(node: Any) -> bool:
    """Whether a node's value is a tensor of floats."""
    traced = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(traced, torch.Tensor) and traced.dtype.is_floating_point


def bias_of(node: fx.Node) -> fx.Node | None:
    """The bias that a product adds."""
    bias = node.args[2] if len(node.args) > 2 else None
    return bias if isinstance(bias, fx.Node) else None


def set_bias(graph: fx.GraphModule, product: fx.Node, bias: torch.Tensor) -> None:
    """Make `bias` what a product of `own_parameters` adds, beside its weight where it had none."""
    name = f"{layer_name(product)}.bias"
    set_value(graph, name, bias)
    if bias_of(product) is None:
        with graph.graph.inserting_before(product):
            node = graph.graph.get_attr(name)
        product.args = (*product.args[:2], node, *product.args[3:])
