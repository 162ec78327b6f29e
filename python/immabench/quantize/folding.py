"""Batch normalization folded into the product before it (Jacob et al. 2018, arXiv:1712.05877, section 3.2)."""

from __future__ import annotations

import torch
from torch import fx

from immabench.quantize.attributes import is_attribute, is_product, set_bias, set_value, value

_aten = torch.ops.aten


def fold_batch_norms(graph: fx.GraphModule) -> int:
    """Fold every batch normalization that alone reads a product, in place; how many were.

    The result is the same in exact arithmetic: weights of an output channel times weight / sqrt(variance + eps),
    in float64 and rounded once. One that follows something else stays, as an operator by itself.
    """
    found = [node for node in graph.graph.nodes if node.target == _aten.batch_norm.default and _foldable(graph, node)]
    for node in found:
        _fold(graph, node)
    return len(found)


def _foldable(graph: fx.GraphModule, node: fx.Node) -> bool:
    product, training = node.args[0], node.args[5]
    alone = isinstance(product, fx.Node) and is_product(product) and len(product.users) == 1
    return alone and not training and is_attribute(product.args[1]) and is_attribute(node.args[3])


def _fold(graph: fx.GraphModule, node: fx.Node) -> None:
    product, weight, bias, mean, variance, _, _, eps, _ = node.args
    name = str(product.args[1].target)
    matrix = value(graph, product.args[1])
    factor = _double(graph, weight, 1.0) / torch.sqrt(value(graph, variance).double() + eps)
    shift = _double(graph, bias, 0.0) - value(graph, mean).double() * factor
    own_bias = product.args[2] if len(product.args) > 2 else None
    set_value(graph, name, (matrix.double() * factor.reshape(-1, *[1] * (matrix.dim() - 1))).to(matrix.dtype))
    set_bias(graph, product, (_double(graph, own_bias, 0.0) * factor + shift).to(matrix.dtype))
    product.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(product)
    graph.graph.erase_node(node)


def _double(graph: fx.GraphModule, node: fx.Node | None, otherwise: float) -> torch.Tensor:
    """A vector in float64; a number where the operator has none."""
    return torch.tensor(otherwise, dtype=torch.float64) if node is None else value(graph, node).double()
