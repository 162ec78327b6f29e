"""Parameters of a graph by the nodes that name them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, random, seeded, small_resnet, traced  # noqa: E402
from torch import fx, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.quantize import attributes  # noqa: E402
from immabench.quantize.graph import trace  # noqa: E402


def nodes(graph: fx.GraphModule) -> dict[str, fx.Node]:
    return {node.name: node for node in graph.graph.nodes}


def product(graph: fx.GraphModule) -> fx.Node:
    return next(node for node in graph.graph.nodes if attributes.is_product(node))


def test_products_multiply_with_and_add_parameters_alone() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.linear.weight, self.linear.bias
        y = functional.linear(x, weight, bias)
        return y + functional.linear(x, 2 * weight) + functional.linear(x, weight, 2 * bias) + x @ weight

    graph = trace(seeded(lambda: Lambda(forward, linear=nn.Linear(4, 4))), [random(2, 4)])
    found = [node.name for node in graph.graph.nodes if attributes.is_product(node)]
    assert found == ["linear"]
    assert attributes.layer_name(nodes(graph)["linear"]) == "linear"


def test_values_and_changes_are_by_name() -> None:
    graph = traced(small_resnet(), 2, 3, 8, 8).graph
    weight = product(graph).args[1]
    assert attributes.is_attribute(weight)
    assert attributes.value(graph, weight) is graph.stem.weight
    attributes.set_value(graph, "stem.weight", torch.zeros(8, 3, 3, 3, requires_grad=True))
    assert not attributes.value(graph, weight).any()
    assert not attributes.value(graph, weight).requires_grad


@pytest.mark.parametrize("bias", [True, False])
def test_a_bias_is_replaced_or_added(bias: bool) -> None:
    graph = trace(nn.Sequential(nn.Linear(3, 4, bias=bias)), [random(2, 3)])
    assert (attributes.bias_of(product(graph)) is not None) == bias
    attributes.set_bias(graph, product(graph), torch.arange(4.0))
    graph.recompile()
    assert attributes.bias_of(product(graph)).target == "0.bias"
    assert torch.equal(graph(torch.zeros(2, 3)), torch.arange(4.0).expand(2, 4))


def test_copies_have_modules_of_their_own() -> None:
    graph = trace(nn.Sequential(nn.Linear(3, 4)), [random(2, 3)])
    other = attributes.copied(graph)
    attributes.set_value(other, "0.weight", torch.zeros(4, 3))
    assert attributes.value(graph, product(graph).args[1]).any()
    assert not attributes.value(other, product(other).args[1]).any()


def test_sizes_and_places_of_values() -> None:
    graph = traced(small_resnet(), 2, 3, 8, 8).graph
    found = nodes(graph)["conv2d_1"]
    assert attributes.sizes(found) == [2, 8, 4, 4], "a free dimension as it was"
    assert attributes.module_path(found) == "same.conv1"
    assert attributes.module_class(found) == "torch.nn.modules.conv.Conv2d"
    assert attributes.module_path(nodes(graph)["relu"]) == "", "written in the model itself"


def test_floats_are_known_by_their_type() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * (x > 0)

    graph = trace(Lambda(forward, linear=nn.Linear(3, 3)), [random(2, 3)])
    kinds = {node.name: attributes.is_float(node) for node in graph.graph.nodes if node.op == "call_function"}
    assert kinds == {"linear": True, "gt": False, "mul": True}
    assert not attributes.is_float(1.0)
