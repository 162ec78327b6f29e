"""Operators that compute each element by itself, of one value or of several that are spread over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from immabench.export.nodes import ELEMENT_TYPES
from immabench.quantize.attributes import arguments

if TYPE_CHECKING:
    from immabench.export.writer import GraphWriter, OperatorWriter

GELU_OPSET = 20
INFINITY = float("inf")


def unary(operator: str, **attributes: Any) -> OperatorWriter:
    """The writer of an operator of one value."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        return w.emit(node, operator, [w.floats_of(node, node.args[0])], **attributes)

    return write


def binary(operator: str, turned: bool = False) -> OperatorWriter:
    """The writer of an operator of two values, or of the second and the first; either may be a number."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        if arguments(node).get("alpha", 1) != 1:
            raise w.refuse(node, "alpha")
        given = node.args[1::-1] if turned else node.args[:2]
        return w.emit(node, operator, [w.floats_of(node, one) for one in given])

    return write


def comparison(operator: str) -> OperatorWriter:
    """The writer of a comparison, in the type that both sides have together."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        type_ = _common_type(w, node.args[:2])
        return w.emit(node, operator, [w.tensor(one, type_) for one in node.args[:2]])

    return write


def logical(operator: str) -> OperatorWriter:
    """The writer of an operator of truth values."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        if node.meta["val"].dtype != torch.bool:
            raise w.refuse(node, "integers")
        return w.emit(node, operator, [w.tensor(one, ELEMENT_TYPES[torch.bool]) for one in node.args])

    return write


def clamped(low: float, high: float) -> OperatorWriter:
    """The writer of relu and relu6, which codes do by themselves where everybody reads codes."""

    def write(w: GraphWriter, node: fx.Node) -> str:
        return _clamp(w, node, low, high)

    return write


def clamp(w: GraphWriter, node: fx.Node) -> str:
    """clamp and hardtanh."""
    given = arguments(node)
    low, high = (given["min_val"], given["max_val"]) if "min_val" in given else (given["min"], given["max"])
    return _clamp(w, node, -INFINITY if low is None else low, INFINITY if high is None else high)


def _clamp(w: GraphWriter, node: fx.Node, low: float, high: float) -> str:
    value = w.floats_of(node, node.args[0])
    if w.clamped(node, value, low, high):
        return value
    if (low, high) == (0.0, INFINITY):
        return w.emit(node, "Relu", [value])
    ends = [
        w.nodes.constant(np.asarray(end), "end", w.type_at(node)) if np.isfinite(end) else "" for end in (low, high)
    ]
    return w.emit(node, "Clip", [value, *ends])


def gelu(w: GraphWriter, node: fx.Node) -> str:
    """gelu by erf or by tanh; before opset 20 by its formula, which engines know."""
    value, approximate = w.floats_of(node, node.args[0]), node.kwargs.get("approximate", "none")
    if w.opset >= GELU_OPSET:
        return w.emit(node, "Gelu", [value], approximate=approximate)
    if approximate != "none":
        raise w.refuse(node, f"approximate={approximate} before opset {GELU_OPSET}")
    where = w.where(node)
    root, one, half = (_number(w, node, number) for number in (np.sqrt(2.0), 1.0, 0.5))
    error = w.nodes.add("Erf", [w.nodes.add("Div", [value, root], where)], where)
    return w.nodes.add(
        "Mul", [w.nodes.add("Mul", [value, w.nodes.add("Add", [error, one], where)], where), half], where
    )


def silu(w: GraphWriter, node: fx.Node) -> str:
    """x * sigmoid(x)."""
    value = w.floats_of(node, node.args[0])
    return w.emit(node, "Mul", [value, w.nodes.add("Sigmoid", [value], w.where(node))])


def hardsigmoid(w: GraphWriter, node: fx.Node) -> str:
    """clamp(x / 6 + 1 / 2, 0, 1)."""
    return w.emit(node, "HardSigmoid", [w.floats_of(node, node.args[0])], alpha=1 / 6, beta=0.5)


def leaky_relu(w: GraphWriter, node: fx.Node) -> str:
    """leaky_relu."""
    slope = arguments(node)["negative_slope"]
    return w.emit(node, "LeakyRelu", [w.floats_of(node, node.args[0])], alpha=float(slope))


def reciprocal_root(w: GraphWriter, node: fx.Node) -> str:
    """rsqrt."""
    root = w.nodes.add("Sqrt", [w.floats_of(node, node.args[0])], w.where(node))
    return w.emit(node, "Reciprocal", [root])


def converted(w: GraphWriter, node: fx.Node) -> str:
    """to, type_as and their kin: another type, of which only the kind matters where it is floats."""
    return w.tensor(node.args[0], w.type_at(node))


def chosen(w: GraphWriter, node: fx.Node) -> str:
    """where."""
    given, type_ = arguments(node), w.type_at(node)
    values = [w.tensor(given[name], type_) for name in ("self", "other")]
    return w.emit(node, "Where", [w.tensor(given["condition"], ELEMENT_TYPES[torch.bool]), *values])


def masked(w: GraphWriter, node: fx.Node) -> str:
    """masked_fill."""
    given, type_ = arguments(node), w.type_at(node)
    mask = w.tensor(given["mask"], ELEMENT_TYPES[torch.bool])
    return w.emit(node, "Where", [mask, w.tensor(given["value"], type_), w.tensor(given["self"], type_)])


def _common_type(w: GraphWriter, given: tuple[Any, ...]) -> int:
    values = [one.meta["val"] if isinstance(one, fx.Node) else one for one in given]
    tensors = [one.dtype for one in values if isinstance(one, torch.Tensor)]
    if any(dtype.is_floating_point for dtype in tensors) or any(isinstance(one, float) for one in values):
        return int(w.floats)
    return int(ELEMENT_TYPES[torch.bool if set(tensors) == {torch.bool} else torch.int64])


def _number(w: GraphWriter, node: fx.Node, number: float) -> str:
    return w.nodes.constant(np.asarray(number), "number", w.type_at(node))
