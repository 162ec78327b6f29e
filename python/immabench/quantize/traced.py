"""A traced model with its layers: what everything else here starts from and gives back changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from immabench.errors import UsageError
from immabench.quantize.attributes import copied, set_value
from immabench.quantize.graph import trace
from immabench.quantize.layers import Layer, find_layers
from immabench.quantize.operators import unknown_products


@dataclass(frozen=True)
class TracedModel:
    """The graph of a model in floats, batch normalization folded, and its layers in the order they run."""

    graph: fx.GraphModule
    layers: tuple[Layer, ...]
    in_floats: tuple[str, ...]
    """Products that are no layers, as `unknown_products` names them."""

    @classmethod
    def of(
        cls, model: torch.nn.Module, inputs: Sequence[torch.Tensor], dimensions: Sequence[Mapping[int, str]] = ()
    ) -> TracedModel:
        """Trace `model` (`quantize.graph.trace`). Raises UsageError for one without layers, or with NaN."""
        graph = trace(model, inputs, dimensions)
        layers = find_layers(graph)
        if not any(layer.is_product for layer in layers):
            raise UsageError(
                f"{type(model).__name__} has no convolution and no linear layer", "there is nothing to quantize"
            )
        _check(graph, layers)
        return cls(graph, tuple(layers), tuple(unknown_products(graph)))

    @property
    def products(self) -> list[Layer]:
        """The layers with weights."""
        return [layer for layer in self.layers if layer.is_product]

    def weight(self, layer: Layer) -> torch.Tensor:
        """The weight of a layer, float32."""
        return self.graph.state_dict()[layer.weight]

    def bias(self, layer: Layer) -> torch.Tensor | None:
        """The bias of a layer, float32 [N]."""
        return self.graph.state_dict().get(layer.bias) if "bias" in layer.fused else None

    def copied(self) -> TracedModel:
        """The same with a graph of its own."""
        return TracedModel(copied(self.graph), self.layers, self.in_floats)

    def set(self, name: str, tensor: torch.Tensor) -> None:
        """Change a parameter of the graph."""
        set_value(self.graph, name, tensor)


def _check(graph: fx.GraphModule, layers: Sequence[Layer]) -> None:
    """Infinity is an ordinary value of masks, but not of what layers multiply and add."""
    of_layers = {name for layer in layers if layer.is_product for name in (layer.weight, layer.bias)}
    for name, tensor in graph.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if tensor.isnan().any() or (name in of_layers and tensor.isinf().any()):
            raise UsageError(f"{name} has NaN or infinite values", "look at the checkpoint")
        if name in of_layers and tensor.dtype != torch.float32:
            raise UsageError(f"{name} is {tensor.dtype}", "give a model of float32: model.float()")
