"""Operators in place made ones that give a new value, where nothing reads what they change afterwards."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx

from immabench.errors import UsageError
from immabench.quantize.attributes import is_attribute

_aten = torch.ops.aten


def out_of_place(node: fx.Node) -> None:
    """Make `relu_` a `relu`; any other operator stays as it is.

    Raises UsageError where the value it changes, or one that shares its memory, is read again afterwards, and where it
    changes a parameter or a buffer.
    """
    called = node.target
    if not isinstance(called, torch._ops.OpOverload) or not called._schema.is_mutable:
        return
    name = called._schema.name.removeprefix("aten::")
    packet: Callable[..., Any] | None = getattr(_aten, name.removesuffix("_"), None)
    functional = getattr(packet, called._overloadname, None) if name.endswith("_") else None
    if functional is None:
        raise UsageError(f"{called} changes values and has no form that does not", "write the model without it")
    _check(node)
    node.target = functional


def _check(node: fx.Node) -> None:
    root = node.args[0]
    while isinstance(root, fx.Node) and _is_view(root):
        root = root.args[0]
    if not isinstance(root, fx.Node):
        return
    if is_attribute(root):
        raise UsageError(f"{node.target} changes {root.target}, a part of the model", "write the model without it")
    if any(node < reader for shared in _sharing(root) for reader in shared.users):
        raise UsageError(f"{node.target} changes a value that is read again", "write the model without it")


def _sharing(root: fx.Node) -> Iterator[fx.Node]:
    """A node and the views of it, whose values lie in the same memory."""
    yield root
    for user in root.users:
        if _is_view(user) and user.args[0] is root:
            yield from _sharing(user)


def _is_view(node: fx.Node) -> bool:
    """Whether a node's value may lie in the memory of its first operand."""
    if node.target is operator.getitem:
        return True
    called = node.target
    if not isinstance(called, torch._ops.OpOverload) or called._schema.is_mutable or not called._schema.returns:
        return False
    return called._schema.returns[0].alias_info is not None
