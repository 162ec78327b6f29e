"""Operators that bring several values together: products of two activations, attention, norms, means, pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from immabench.quantize.attributes import arguments, sizes

if TYPE_CHECKING:
    from immabench.export.writer import GraphWriter, OperatorWriter


def matmul(w: GraphWriter, node: fx.Node) -> str:
    """matmul, bmm and mm."""
    return w.emit(node, "MatMul", [w.floats_of(node, one) for one in node.args[:2]])


def attention(w: GraphWriter, node: fx.Node) -> str:
    """scaled_dot_product_attention: softmax(q k^T * scale + mask) v."""
    given, where = arguments(node), w.where(node)
    for name in ("is_causal", "enable_gqa", "dropout_p"):
        if given.get(name):
            raise w.refuse(node, name)
    query, key, value = (w.floats_of(node, given[name]) for name in ("query", "key", "value"))
    depth = sizes(given["query"])[-1]
    scale = 1 / np.sqrt(depth) if given["scale"] is None else given["scale"]
    rank = len(sizes(given["key"]))
    turned = w.nodes.add("Transpose", [key], where, perm=[*range(rank - 2), rank - 1, rank - 2])
    factor = w.nodes.constant(np.asarray(scale), "scale", w.type_at(node))
    scores = w.nodes.add("Mul", [w.nodes.add("MatMul", [query, turned], where), factor], where)
    if given["attn_mask"] is not None:
        scores = w.nodes.add("Add", [scores, _mask(w, node, given["attn_mask"])], where)
    return w.emit(node, "MatMul", [w.nodes.add("Softmax", [scores], where, axis=-1), value])


def _mask(w: GraphWriter, node: fx.Node, mask: fx.Node) -> str:
    """What is added to scores: 0, and minus infinity for keys that are not to be seen."""
    if mask.meta["val"].dtype != torch.bool:
        return w.tensor(mask, w.type_at(node))
    seen, hidden = (w.nodes.constant(np.asarray(one), "mask", w.type_at(node)) for one in (0.0, -np.inf))
    return w.nodes.add("Where", [w.tensor(mask), seen, hidden], w.where(node), type_=w.type_at(node))


def softmax(operator: str) -> OperatorWriter:
    """The writer of softmax and log_softmax."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        given = arguments(node)
        return w.emit(node, operator, [w.floats_of(node, given["self"])], axis=int(given["dim"]))

    return write


def layer_norm(w: GraphWriter, node: fx.Node) -> str:
    """layer_norm over the last dimensions."""
    given, type_ = arguments(node), w.type_at(node)
    shape = [int(size) for size in given["normalized_shape"]]
    weight = given["weight"]
    scale = (
        w.nodes.constant(np.ones(shape), f"{w.where(node)}.ones", type_) if weight is None else w.tensor(weight, type_)
    )
    bias = [] if given["bias"] is None else [w.tensor(given["bias"], type_)]
    inputs = [w.floats_of(node, given["input"]), scale, *bias]
    return w.emit(node, "LayerNormalization", inputs, axis=-len(shape), epsilon=float(given["eps"]))


def batch_norm(w: GraphWriter, node: fx.Node) -> str:
    """batch_norm in evaluation mode, where it could not be folded."""
    given, type_ = arguments(node), w.type_at(node)
    if given["training"]:
        raise w.refuse(node, "training")
    channels = sizes(given["input"])[1]
    parts = [
        w.nodes.constant(np.full(channels, float(missing)), f"{w.where(node)}.{name}", type_)
        if given[name] is None
        else w.tensor(given[name], type_)
        for name, missing in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1))
    ]
    inputs = [w.floats_of(node, given["input"]), *parts]
    return w.emit(node, "BatchNormalization", inputs, epsilon=float(given["eps"]))


def embedding(w: GraphWriter, node: fx.Node) -> str:
    """embedding: rows of a table."""
    given = arguments(node)
    return w.emit(node, "Gather", [w.tensor(given["weight"], w.type_at(node)), w.tensor(given["indices"])], axis=0)


def reduced(operator: str) -> OperatorWriter:
    """The writer of mean, sum, amax and amin; a mean of all pixels is GlobalAveragePool."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        given = arguments(node)
        rank = len(sizes(given["self"]))
        dims = given.get("dim")
        axes = sorted(axis % rank for axis in ([dims] if isinstance(dims, int) else dims or range(rank)))
        source, keep = w.floats_of(node, given["self"]), bool(given.get("keepdim", False))
        if operator == "ReduceMean" and rank == 4 and axes == [2, 3]:
            pooled = w.emit(node, "GlobalAveragePool", [source])
            return pooled if keep else w.emit(node, "Squeeze", [pooled, w.nodes.integers(axes, "axes")])
        return w.emit(node, operator, [source, w.nodes.integers(axes, "axes")], keepdims=int(keep))

    return write


def max_pool(w: GraphWriter, node: fx.Node) -> str:
    """max_pool2d; the type is that of what it reads, whose values it selects from."""
    given = arguments(node)
    return w.nodes.add(
        "MaxPool", [w.tensor(node.args[0])], w.where(node), **_windows(given), dilations=_pair(given["dilation"])
    )


def avg_pool(w: GraphWriter, node: fx.Node) -> str:
    """avg_pool2d."""
    given = arguments(node)
    if given["divisor_override"] is not None:
        raise w.refuse(node, "divisor_override")
    counted = int(given["count_include_pad"])
    return w.emit(node, "AveragePool", [w.floats_of(node, node.args[0])], count_include_pad=counted, **_windows(given))


def adaptive_avg_pool(w: GraphWriter, node: fx.Node) -> str:
    """adaptive_avg_pool2d to one pixel, or to a size that divides the image's."""
    windows = _adaptive_windows(w, node)
    value = w.floats_of(node, node.args[0])
    return w.emit(node, "AveragePool", [value], **windows) if windows else w.emit(node, "GlobalAveragePool", [value])


def adaptive_max_pool(w: GraphWriter, node: fx.Node) -> list[str]:
    """adaptive_max_pool2d likewise; its places are not known."""
    windows, source = _adaptive_windows(w, node), w.tensor(node.args[0])
    return [w.nodes.add("MaxPool" if windows else "GlobalMaxPool", [source], w.where(node), **windows)]


def _adaptive_windows(w: GraphWriter, node: fx.Node) -> dict[str, Any]:
    output, image = _pair(arguments(node)["output_size"]), sizes(node.args[0])[2:]
    if output == [1, 1]:
        return {}
    changes = any(not isinstance(size, int) for size in node.args[0].meta["val"].shape[2:])
    if changes or any(size % wanted for size, wanted in zip(image, output, strict=True)):
        raise w.refuse(node, f"an output of {output} that divides no image of fixed size")
    windows = [size // wanted for size, wanted in zip(image, output, strict=True)]
    return {"kernel_shape": windows, "strides": windows}


def _windows(given: dict[str, Any]) -> dict[str, Any]:
    kernel = _pair(given["kernel_size"])
    padding = _pair(given["padding"])
    stride = _pair(given["stride"]) if given["stride"] else kernel
    return {
        "kernel_shape": kernel,
        "strides": stride,
        "pads": [*padding, *padding],
        "ceil_mode": int(given["ceil_mode"]),
    }


def _pair(sizes: int | list[int]) -> list[int]:
    return [sizes] * 2 if isinstance(sizes, int) else [int(size) for size in (*sizes, *sizes)[:2]]


def cumulated(w: GraphWriter, node: fx.Node) -> str:
    """cumsum."""
    given = arguments(node)
    axis = w.nodes.constant(np.int64(given["dim"]), "axis")
    return w.emit(node, "CumSum", [w.tensor(given["self"], w.type_at(node)), axis])
