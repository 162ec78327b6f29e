"""What operators of a traced model are to layers: attention, poolings, activations, selections, unknown ones."""

from __future__ import annotations

import torch
from torch import fx

from immabench.quantize.attributes import PRODUCTS, arguments, is_float, is_product, module_path, sizes

_aten = torch.ops.aten

POOLINGS = (_aten.adaptive_avg_pool2d.default, _aten.avg_pool2d.default, _aten.mean.dim)

SELECTIONS = {
    _aten.max_pool2d.default,
    _aten.adaptive_max_pool2d.default,
    _aten.flatten.using_ints,
    _aten.view.default,
    _aten.reshape.default,
    _aten.permute.default,
    _aten.transpose.int,
    _aten.t.default,
    _aten.squeeze.dim,
    _aten.unsqueeze.default,
    _aten.slice.Tensor,
    _aten.select.int,
    _aten.expand.default,
    _aten.contiguous.default,
    _aten.clone.default,
    _aten.pad.default,
    _aten.constant_pad_nd.default,
}
"""Operators whose results are some of their operand's values, or 0: of codes they are codes of the same scale. Where
they pad with something else they are none (`selects`)."""

UNKNOWN_PRODUCTS = {
    _aten.matmul.default,
    _aten.bmm.default,
    _aten.mm.default,
    _aten.addmm.default,
    _aten.baddbmm.default,
    _aten.einsum.default,
    _aten.scaled_dot_product_attention.default,
    _aten.mv.default,
    _aten.addmv.default,
    _aten.addbmm.default,
    _aten.bilinear.default,
    _aten.conv1d.default,
    _aten.conv1d.padding,
    _aten.conv2d.padding,
    _aten.conv3d.default,
    _aten.conv3d.padding,
    _aten.conv_transpose1d.default,
    _aten.conv_transpose2d.input,
    _aten.conv_transpose3d.input,
    _aten.lstm.input,
    _aten.gru.input,
    _aten.rnn_tanh.input,
    _aten.rnn_relu.input,
}
"""Products that stay in floats, and are listed; and those of weights that are computed."""


def unknown_products(graph: fx.GraphModule) -> list[str]:
    """Products of two activations, and of operators that are no layers here: where they are and what they are."""
    return [
        f"{module_path(node) or 'model'}: {str(node.target).removeprefix('aten.')}"
        for node in graph.graph.nodes
        if (node.target in UNKNOWN_PRODUCTS and not is_attention(node))
        or (node.target in PRODUCTS and not is_product(node))
    ]


def is_attention(node: fx.Node) -> bool:
    """Whether a node is softmax(q k^T * scale) v of heads [batch, heads, tokens, depth], alike in number and depth.

    Its mask, if it has one, is of booleans: which keys count. With dropout or a causal mask it is not.
    """
    if node.target != _aten.scaled_dot_product_attention.default or not all(map(is_float, node.args[:3])):
        return False
    query, key, value_ = (sizes(one) for one in node.args[:3])
    alike = len(query) == 4 and key == value_ and (query[:2], query[3]) == (key[:2], key[3])
    mask, given = attention_mask(node), arguments(node)
    others = any(given[name] for name in ("dropout_p", "is_causal", "enable_gqa"))
    return alike and not others and (mask is None or mask.meta["val"].dtype == torch.bool)


def attention_mask(node: fx.Node) -> fx.Node | None:
    """The mask of `is_attention`."""
    mask: fx.Node | None = arguments(node)["attn_mask"]
    return mask


def score_scale(node: fx.Node) -> float:
    """What products of queries and keys are multiplied with."""
    scale = arguments(node)["scale"]
    return float(scale) if scale is not None else float(sizes(node.args[0])[3] ** -0.5)


def selects(node: fx.Node) -> bool:
    """Whether a node's values are its first operand's, or 0: SELECTIONS, but padding with another number."""
    if node.target not in SELECTIONS or not isinstance(node.args[0], fx.Node):
        return False
    pads_with = {_aten.pad.default: 3, _aten.constant_pad_nd.default: 2}.get(node.target)
    return pads_with is None or not (node.args[pads_with] if len(node.args) > pads_with else 0)


def is_pooling(node: fx.Node) -> bool:
    """Whether a node averages images over windows, or over all pixels."""
    if node.target not in POOLINGS or not is_float(node.args[0]) or len(sizes(node.args[0])) != 4:
        return False
    return node.target != _aten.mean.dim or {axis % 4 for axis in node.args[1] or ()} == {2, 3}


def activation_of(node: fx.Node) -> str:
    """The activation, of those that a layer's kernel can end with; "" for anything else."""
    if node.target == _aten.relu.default:
        return "relu"
    if node.target == _aten.gelu.default and node.kwargs.get("approximate", "none") == "none":
        return "gelu"
    # Clamped to [0, 6]: a ReLU whose codes saturate.
    clamps = node.target == _aten.hardtanh.default and tuple(node.args[1:3]) == (0.0, 6.0)
    return "relu6" if clamps or node.target == _aten.relu6.default else ""
