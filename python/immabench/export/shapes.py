"""Operators that move, choose or repeat values, and those that compute with sizes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from immabench.export.nodes import ELEMENT_TYPES
from immabench.export.writer import Size
from immabench.quantize.attributes import arguments

if TYPE_CHECKING:
    from immabench.export.writer import GraphWriter

LAST = 2**63 - 1
"""The end of a slice that goes on to the last."""


def same(w: GraphWriter, node: fx.Node) -> str:
    """What is the same values: contiguous, clone, detach, dropout."""
    return w.tensor(node.args[0])


def reshaped(w: GraphWriter, node: fx.Node) -> str:
    """view, reshape, flatten, unflatten: dimensions that stay are copied, one other that changes is inferred."""
    source = w.tensor(node.args[0])
    shape = _shape(node)
    before = _shape(node.args[0])
    if shape == before:
        return source
    known = [
        0 if i < len(before) and size == before[i] and not isinstance(size, int) else size
        for i, size in enumerate(shape)
    ]
    open_ = [i for i, size in enumerate(known) if not isinstance(size, int)]
    if len(open_) > 1:
        wanted = w.sizes(arguments(node)["size" if "size" in arguments(node) else "shape"], w.where(node))
    else:
        wanted = w.nodes.integers([size if isinstance(size, int) else -1 for size in known], f"{w.where(node)}.shape")
    return _moved(w, node, "Reshape", [source, wanted])


def permuted(w: GraphWriter, node: fx.Node) -> str:
    """permute, transpose, t."""
    given, rank = arguments(node), len(_shape(node))
    order = list(range(rank))
    if "dims" in given:
        order = [axis % rank for axis in given["dims"]]
    else:
        first, second = (given["dim0"] % rank, given["dim1"] % rank) if "dim0" in given else (0, rank - 1)
        order[first], order[second] = order[second], order[first]
    return _moved(w, node, "Transpose", [w.tensor(node.args[0])], perm=order)


def unsqueezed(w: GraphWriter, node: fx.Node) -> str:
    """unsqueeze."""
    axis = arguments(node)["dim"] % len(_shape(node))
    return _moved(w, node, "Unsqueeze", [w.tensor(node.args[0]), w.nodes.integers([axis], "axis")])


def squeezed(w: GraphWriter, node: fx.Node) -> str:
    """squeeze of one dimension, of several or of all: those of size 1."""
    before = _shape(node.args[0])
    dims = arguments(node).get("dim", range(len(before)))
    axes = [axis % len(before) for axis in ([dims] if isinstance(dims, int) else dims)]
    axes = [axis for axis in axes if before[axis] == 1]
    return _moved(w, node, "Squeeze", [w.tensor(node.args[0]), w.nodes.integers(axes, "axes")])


def sliced(w: GraphWriter, node: fx.Node) -> str:
    """slice; one that takes all is no node."""
    given = arguments(node)
    source, end = w.tensor(given["self"]), LAST if given["end"] is None else given["end"]
    if (given["start"] or 0, end, given["step"]) == (0, LAST, 1):
        return source
    axis = given["dim"] % len(_shape(node))
    sizes = [w.sizes([one], w.where(node)) for one in (given["start"] or 0, end)]
    ends = [w.nodes.integers([one], name) for one, name in ((axis, "axis"), (given["step"], "step"))]
    return _moved(w, node, "Slice", [source, *sizes, *ends])


def selected(w: GraphWriter, node: fx.Node) -> str:
    """select: one place of a dimension, which is then gone."""
    given = arguments(node)
    axis = given["dim"] % len(_shape(given["self"]))
    index = w.nodes.constant(np.int64(given["index"]), "index")
    return _moved(w, node, "Gather", [w.tensor(given["self"]), index], axis=axis)


def expanded(w: GraphWriter, node: fx.Node) -> str:
    """expand: dimensions that are as large already stay."""
    given = arguments(node)
    source, shape = w.tensor(given["self"]), _shape(node)
    before = _shape(given["self"])
    if shape == before:
        return source
    padded = [1] * (len(shape) - len(before)) + before
    sizes = [1 if kept == wanted else size for kept, wanted, size in zip(padded, shape, given["size"], strict=True)]
    return _moved(w, node, "Expand", [source, w.sizes(sizes, w.where(node))])


def padded(w: GraphWriter, node: fx.Node) -> str:
    """constant_pad_nd and pad: sizes come from the last dimension on, before and after it.

    ONNX gets them of all dimensions: onnxruntime moves transpositions past Pad as if it had no axes.
    """
    given = arguments(node)
    if given.get("mode", "constant") != "constant":
        raise w.refuse(node, f"mode {given['mode']}")
    source, pads = w.tensor(given["self"]), [w.size(one) for one in given["pad"]]
    none = [0] * (len(_shape(node)) - len(pads) // 2)
    before, after = [*none, *pads[-2::-2]], [*none, *pads[::-2]]
    number = w.nodes.constant(np.asarray(given["value"] or 0), "value", w.nodes.type_of[source])
    return _moved(w, node, "Pad", [source, w.sizes([*before, *after], w.where(node)), number])


def concatenated(w: GraphWriter, node: fx.Node) -> str:
    """cat."""
    given = arguments(node)
    parts = [w.tensor(one, w.type_at(node)) for one in given["tensors"]]
    return w.emit(node, "Concat", parts, axis=given["dim"] % len(_shape(node)))


def chunks(w: GraphWriter, node: fx.Node) -> list[str]:
    """split, split_with_sizes and chunk of a dimension whose size is known."""
    given, parts = arguments(node), [one.shape for one in node.meta["val"]]
    axis = given["dim"] % len(parts[0])
    source = w.tensor(given["self"])
    sizes = [part[axis] for part in parts]
    if not all(isinstance(size, int) for size in sizes):
        raise w.refuse(node, "sizes that may change")
    lengths = w.nodes.integers(sizes, f"{w.where(node)}.sizes")
    types = [w.nodes.type_of[source]] * len(parts)
    found = w.nodes.add_many("Split", [source, lengths], w.where(node), types, axis=axis)
    return list(found)


def item(w: GraphWriter, node: fx.Node) -> Any:
    """One of several results."""
    return w.known(node.args[0])[node.args[1]]


def size_of(w: GraphWriter, node: fx.Node) -> int | Size:
    """A size of a value: a number where it cannot change."""
    source, axis = node.args
    size = source.meta["val"].shape[axis]
    if isinstance(size, int):
        return size
    axis = int(axis) % len(source.meta["val"].shape)
    shape = w.nodes.add(
        "Shape", [w.tensor(source)], w.where(node), type_=ELEMENT_TYPES[torch.int64], start=axis, end=axis + 1
    )
    return Size(shape)


def of_sizes(name: str, function: Callable[[int, int], int]) -> Callable[[GraphWriter, fx.Node], int | Size]:
    """The writer of an operator on two sizes."""

    def write(w: GraphWriter, node: fx.Node) -> int | Size:
        first, second = (w.size(one) for one in node.args)
        if not isinstance(first, Size) and not isinstance(second, Size):
            return function(first, second)
        return Size(w.nodes.add(name, [w.sizes([one], str(node)) for one in (first, second)], str(node.name)))

    return write


def counted(w: GraphWriter, node: fx.Node) -> str:
    """arange, from 0 or a start, by steps."""
    given = arguments(node)
    ends = [w.tensor(given.get(name, other)) for name, other in (("start", 0), ("end", 0), ("step", 1))]
    typed = [w.nodes.cast(end, w.type_at(node), w.where(node)) for end in ends]
    return w.emit(node, "Range", typed)


def filled(w: GraphWriter, node: fx.Node) -> str:
    """full, ones, zeros and their kin: a number in every place of a shape."""
    given, name = arguments(node), str(node.target)
    number = given.get("fill_value", 1 if "ones" in name else 0)
    value = w.nodes.constant(np.asarray(number), "value", w.type_at(node))
    size = given.get("size")
    if size is None:
        shape = w.nodes.add("Shape", [w.tensor(given["self"])], w.where(node), type_=ELEMENT_TYPES[torch.int64])
    else:
        shape = w.sizes(size, w.where(node)) if size else ""
    return w.emit(node, "Expand", [value, shape]) if shape else value


def gathered(w: GraphWriter, node: fx.Node) -> str:
    """gather along a dimension."""
    given = arguments(node)
    axis = given["dim"] % len(_shape(given["self"]))
    return _moved(w, node, "GatherElements", [w.tensor(given["self"]), w.tensor(given["index"])], axis=axis)


def indexed(w: GraphWriter, node: fx.Node) -> str:
    """Indices, spread over each other, of the first dimensions."""
    given, where = arguments(node), w.where(node)
    indices = [w.tensor(one) for one in given["indices"] if one is not None]
    if len(indices) < len(given["indices"]) or any(
        w.nodes.type_of[one] != ELEMENT_TYPES[torch.int64] for one in indices
    ):
        raise w.refuse(node, "masks or skipped dimensions as indices")
    together = indices[0]
    for index in indices[1:]:
        together = w.nodes.add("Add", [together, index], where)
    shape = w.nodes.add("Shape", [together], where)
    last = w.nodes.integers([-1], "last")
    spread = [w.nodes.add("Unsqueeze", [w.nodes.add("Expand", [one, shape], where), last], where) for one in indices]
    return _moved(w, node, "GatherND", [w.tensor(given["self"]), w.nodes.add("Concat", spread, where, axis=-1)])


def _moved(w: GraphWriter, node: fx.Node, operator_: str, inputs: list[str], **attributes: Any) -> str:
    """Values keep the type they have: what is selected from codes stays what they stand for."""
    return w.nodes.add(operator_, inputs, w.where(node), **attributes)


def _shape(node: Any) -> list[Any]:
    """Sizes as numbers; those that may change as the expressions that they are in the trace."""
    return [size if isinstance(size, int) else str(size.node.expr) for size in node.meta["val"].shape]


SIZES = {
    operator.add: ("Add", operator.add),
    operator.sub: ("Sub", operator.sub),
    operator.mul: ("Mul", operator.mul),
    operator.floordiv: ("Div", operator.floordiv),
}
"""Of sizes, which are not negative, Div rounds down."""
