"""A model as a graph of torch's operators, cleaned so that layers can be found in it and changed one by one."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from immabench.errors import UsageError
from immabench.quantize.attributes import bias_of, is_product, set_bias, set_value, value
from immabench.quantize.folding import fold_batch_norms

_aten = torch.ops.aten

IGNORED = (_aten.dropout.default, _aten.alpha_dropout.default, _aten.feature_dropout.default)
"""Give back their input in evaluation mode."""

CHECKS = (_aten._assert_tensor_metadata.default,)


def trace(
    model: torch.nn.Module, inputs: Sequence[torch.Tensor], dimensions: Sequence[Mapping[int, str]] = ()
) -> fx.GraphModule:
    """`model` in evaluation mode as a graph of operators with its own weights; the model stays as it is.

    By torch.export: operators are those of ATen, attributes have the names of the model's own parameters. `inputs` are
    an example; `dimensions` names, for each, what may change: {0: "batch"}. Operators in place become those that are
    not, dropout and checks are gone, batch normalization is folded. Raises UsageError where it cannot be traced.
    """
    shapes = tuple(dict.fromkeys(names, torch.export.Dim.DYNAMIC) for names in dimensions) or None
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch's own code
            exported = torch.export.export(copy.deepcopy(model).eval(), tuple(inputs), dynamic_shapes=shapes)
            graph = exported.module(check_guards=False)
    except Exception as error:  # whatever a model's own code and torch's raise
        first = str(error).strip().split("\n")[0]
        raise UsageError(f"{type(model).__name__} cannot be traced ({first})", "torch.export must take it") from error
    return clean(graph)


def clean(graph: fx.GraphModule) -> fx.GraphModule:
    """The graph without what is there for training or checking, changed where it is."""
    for node in list(graph.graph.nodes):
        if node.target in IGNORED:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target in CHECKS or (node.op == "call_module" and node.target == "_guards_fn"):
            graph.graph.erase_node(node)
        elif node.op == "call_function":
            _out_of_place(node)
    _unshare_weights(graph)
    fold_batch_norms(graph)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _unshare_weights(graph: fx.GraphModule) -> None:
    """Give each product a weight and a bias of its own, so that one can be changed without the other."""
    uses: Counter[str] = Counter()
    for node in [node for node in graph.graph.nodes if is_product(node)]:
        name = str(node.args[1].target)
        path = name.rpartition(".")[0]
        uses[name] += 1
        if uses[name] == 1:
            continue
        copied = f"{path}_{uses[name]}.weight"
        bias = bias_of(node)
        graph.add_submodule(copied.rpartition(".")[0], torch.nn.Module())
        set_value(graph, copied, value(graph, node.args[1]).clone())
        with graph.graph.inserting_before(node):
            node.args = (node.args[0], graph.graph.get_attr(copied), None, *node.args[3:])
        if bias is not None:
            set_bias(graph, node, value(graph, bias).clone())


def _out_of_place(node: fx.Node) -> None:
    """Make `relu_` a `relu`. Raises UsageError where what it changes is read again afterwards."""
    operator = node.target
    if not isinstance(operator, torch._ops.OpOverload) or not operator._schema.is_mutable:
        return
    changed = node.args[0]
    if isinstance(changed, fx.Node) and any(node < user for user in changed.users):
        raise UsageError(f"{operator} changes a value that is read again", "write the model without it")
    packet: Callable[..., Any] = getattr(_aten, operator._schema.name.removeprefix("aten::")[:-1])
    node.target = getattr(packet, operator._overloadname)
