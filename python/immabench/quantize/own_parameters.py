"""Each product of a graph gets a weight and a bias of its own, `NAME.weight` and `NAME.bias`: NAME is its layer's.

So one layer can be changed without another that shares its weight, and names say where a parameter is.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import fx

from immabench.quantize.attributes import (
    bias_of,
    is_attribute,
    is_product,
    module_class,
    module_path,
    set_bias,
    set_value,
    value,
)

LAYER_CLASSES = ("torch.nn.modules.linear.Linear", "torch.nn.modules.conv.Conv2d")


def own_parameters(graph: fx.GraphModule) -> None:
    """Give every product of `graph` parameters that nothing else reads, in place.

    One of `nn.Linear` or `nn.Conv2d` is called as that module is, another after its weight or the module whose code it
    is from; with a number where that is taken. What reads a weight but multiplies nothing (an embedding) gets a copy.
    """
    claimed: set[str] = set()
    for node in [node for node in graph.graph.nodes if is_product(node)]:
        name = next(one for one in _names(node) if one not in claimed and _is_free(graph, one, node))
        claimed.add(name)
        _give(graph, node, name)


def _names(product: fx.Node) -> Iterator[str]:
    """What a layer may be called, the best first."""
    owner, _, last = str(product.args[1].target).rpartition(".")
    path = module_path(product)
    if path and module_class(product) in LAYER_CLASSES:
        yield path
    elif last == "weight" and owner:
        yield owner
    elif last.endswith("_weight"):
        yield f"{owner}.{last.removesuffix('_weight')}".lstrip(".")
    base = path or owner or "model"
    yield base
    number = 2
    while True:
        yield f"{base}_{number}"
        number += 1


def _is_free(graph: fx.GraphModule, name: str, product: fx.Node) -> bool:
    """Whether a module `name` is there or can be, and nothing but this weight and what it is added to is read of it."""
    found: object = graph
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            return True
        if not isinstance(found, torch.nn.Module):
            return False
    weight = str(product.args[1].target)
    if weight != f"{name}.weight" and _readers(graph, f"{name}.weight"):
        return False
    return all(is_product(one) and one.args[1].target == weight for one in _readers(graph, f"{name}.bias"))


def _readers(graph: fx.GraphModule, name: str) -> list[fx.Node]:
    nodes = [node for node in graph.graph.nodes if is_attribute(node) and node.target == name]
    return [reader for node in nodes for reader in node.users]


def _give(graph: fx.GraphModule, product: fx.Node, name: str) -> None:
    """Copies of its parameters under `name`, but of those that are there; other readers of these get copies then."""
    weight, bias = product.args[1], bias_of(product)
    if weight.target != f"{name}.weight":
        if not _has_module(graph, name):
            graph.add_submodule(name, torch.nn.Module())
        _read_copy(graph, product, weight, f"{name}.weight")
    else:
        for reader in [one for one in _readers(graph, weight.target) if not is_product(one)]:
            for node in [node for node in reader.all_input_nodes if node.target == weight.target]:
                _read_copy(graph, reader, node, f"{name}.shared_weight")
    if bias is not None and bias.target != f"{name}.bias":
        product.args = (*product.args[:2], None, *product.args[3:])
        set_bias(graph, product, value(graph, bias).clone())


def _read_copy(graph: fx.GraphModule, reader: fx.Node, parameter: fx.Node, name: str) -> None:
    set_value(graph, name, value(graph, parameter).clone())
    with graph.graph.inserting_before(reader):
        copied = graph.graph.get_attr(name)
    copied.meta = dict(parameter.meta)
    reader.replace_input_with(parameter, copied)


def _has_module(graph: fx.GraphModule, name: str) -> bool:
    return any(path == name for path, _ in graph.named_modules(remove_duplicate=False))
