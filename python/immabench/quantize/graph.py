"""A model as a graph of torch's operators, cleaned so that layers can be found in it and changed one by one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import fx

from immabench.errors import UsageError
from immabench.quantize.attributes import is_attribute, value
from immabench.quantize.folding import fold_batch_norms
from immabench.quantize.in_place import out_of_place
from immabench.quantize.own_parameters import own_parameters

_aten = torch.ops.aten

IGNORED = (_aten.dropout.default, _aten.alpha_dropout.default, _aten.feature_dropout.default)
"""Give back their input in evaluation mode, where their third argument says so."""

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
        if node.op == "call_function":
            out_of_place(node)
        if node.target in IGNORED and not node.args[2]:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target in CHECKS or (node.op == "call_module" and node.target == "_guards_fn"):
            graph.graph.erase_node(node)
        elif node.target == _aten.conv2d.padding:
            _number_padding(graph, node)
    own_parameters(graph)
    fold_batch_norms(graph)
    graph.graph.eliminate_dead_code()
    _delete_unread(graph)
    graph.recompile()
    return graph


def _delete_unread(graph: fx.GraphModule) -> None:
    """Parameters and buffers that were copied, folded or never read, and modules that are empty then."""
    read = {str(node.target) for node in graph.graph.nodes if is_attribute(node)}
    for path, module in graph.named_modules(remove_duplicate=False):
        for held in (module._parameters, module._buffers):
            for name in [name for name in held if f"{path}.{name}".lstrip(".") not in read]:
                del held[name]
    graph.delete_all_unused_submodules()


def _number_padding(graph: fx.GraphModule, node: fx.Node) -> None:
    """Padding "same" and "valid" in numbers, but where one side of the image has more than the other."""
    given = (*node.args, *(None, 1, "valid", 1, 1)[len(node.args) - 2 :])
    image, weight, bias, stride, padding, dilation, groups = given
    if not is_attribute(weight):
        return
    reaches = [(size - 1) * step for size, step in zip(value(graph, weight).shape[2:], _pair(dilation), strict=True)]
    if padding == "same" and any(reach % 2 for reach in reaches):
        return
    padded = [reach // 2 for reach in reaches] if padding == "same" else [0, 0]
    node.target = _aten.conv2d.default
    node.args = (image, weight, bias, _pair(stride), padded, _pair(dilation), groups)


def _pair(sizes: int | Sequence[int]) -> list[int]:
    return [sizes] * 2 if isinstance(sizes, int) else [int(size) for size in (*sizes, *sizes)[:2]]
