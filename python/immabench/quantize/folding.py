"""Batch normalization folded into the product before it (Jacob et al. 2018, arXiv:1712.05877, section 3.2)."""

from __future__ import annotations

import torch
from torch import fx

from immabench.quantize.attributes import PRODUCTS, bias_of, is_attribute, is_product, set_bias, set_value, sizes, value

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
    if not isinstance(product, fx.Node) or not is_product(product) or len(product.users) > 1 or training:
        return False
    known = all(one is None or is_attribute(one) for one in node.args[1:3])
    return known and all(is_attribute(one) for one in node.args[3:5]) and _has_its_channels(product)


def _has_its_channels(product: fx.Node) -> bool:
    """Whether the second dimension, which is normalized, is that of the outputs: not so of tokens [B, L, N]."""
    return len(sizes(product)) == (2 if PRODUCTS[product.target] == "linear" else 4)


def _fold(graph: fx.GraphModule, node: fx.Node) -> None:
    product, weight, bias, mean, variance, _, _, eps, _ = node.args
    name = str(product.args[1].target)
    matrix = value(graph, product.args[1])
    factor = _double(graph, weight, 1.0) / torch.sqrt(value(graph, variance).double() + eps)
    shift = _double(graph, bias, 0.0) - value(graph, mean).double() * factor
    own_bias = bias_of(product)
    set_value(graph, name, (matrix.double() * factor.reshape(-1, *[1] * (matrix.dim() - 1))).to(matrix.dtype))
    set_bias(graph, product, (_double(graph, own_bias, 0.0) * factor + shift).to(matrix.dtype))
    product.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(product)
    graph.graph.erase_node(node)


def _double(graph: fx.GraphModule, node: fx.Node | None, otherwise: float) -> torch.Tensor:
    """A vector in float64; a number where the operator has none."""
    return torch.tensor(otherwise, dtype=torch.float64) if node is None else value(graph, node).double()
