"""Cross-layer equalization: the same function, with ranges of channels that are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.quantize.equalization import equalizable_pairs, equalize  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402


def pairs(model: TracedModel) -> list[tuple[str, str]]:
    return [(first.name, second.name) for first, second in equalizable_pairs(model)]


def uneven(layer: nn.Module) -> nn.Module:
    """Output channels of magnitudes that differ by up to 2^10."""
    scale = 2.0 ** torch.linspace(-5, 5, len(layer.weight))
    layer.weight.data *= scale.reshape(-1, *[1] * (layer.weight.dim() - 1))
    return layer


def ranges(model: TracedModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Of channels, in the first layer and in the second."""
    first, second = (model.weight(layer).abs() for layer in model.products)
    return first.flatten(1).amax(1), second.transpose(0, 1).flatten(1).amax(1)


def unchanged(before: TracedModel, after: TracedModel, x: torch.Tensor) -> None:
    """Exact but for roundings: each weight is rounded once more, each of K products and K sums as before. The bound is
    of the sum of magnitudes, which the same graph gives with absolute weights, biases and inputs; 2 layers, K to 200.
    """
    magnitudes = before.copied()
    for layer in magnitudes.products:
        magnitudes.set(layer.weight, magnitudes.weight(layer).abs())
        bias = magnitudes.bias(layer)
        if bias is not None:
            magnitudes.set(layer.bias, bias.abs())
    with torch.no_grad():
        bound = magnitudes.graph(x.abs()) * 2 * 2 * 202 * 2.0**-24
        assert ((before.graph(x) - after.graph(x)).abs() <= bound).all()
        assert not torch.equal(before.weight(before.layers[0]), after.weight(after.layers[0]))


CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "bias relu": lambda: nn.Sequential(uneven(nn.Conv2d(3, 8, 3)), nn.ReLU(), nn.Conv2d(8, 4, 3)),
    "relu": lambda: nn.Sequential(uneven(nn.Conv2d(3, 8, 3, bias=False)), nn.ReLU(), nn.Conv2d(8, 4, 3)),
    "bias": lambda: nn.Sequential(uneven(nn.Conv2d(3, 8, 3)), nn.Conv2d(8, 4, 3)),
    "normalized": lambda: nn.Sequential(
        uneven(nn.Conv2d(3, 8, 3, bias=False)), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)
    ),
    "depthwise first": lambda: nn.Sequential(uneven(nn.Conv2d(8, 8, 3, groups=8)), nn.ReLU(), nn.Conv2d(8, 4, 1)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_compute_the_same_with_equal_ranges(name: str) -> None:
    model = seeded(CONVOLUTIONS[name])
    shape = (2, model[0].in_channels, 8, 8)
    before = traced(model, *shape)
    after = equalize(before)
    assert len(pairs(before)) == 1
    unchanged(before, after, random(*shape))
    first, second = ranges(after)
    # Two weights rounded to float32: 2^-24 each, of one value.
    torch.testing.assert_close(first, second, rtol=2**-22, atol=0)
    was = ranges(before)
    torch.testing.assert_close(first, (was[0] * was[1]).sqrt(), rtol=2**-21, atol=0)


@pytest.mark.parametrize("shape", [(2, 6), (2, 5, 6), (2, 3, 5, 6)])
def test_linear_layers_compute_the_same_with_equal_ranges(shape: tuple[int, ...]) -> None:
    before = traced(seeded(lambda: nn.Sequential(uneven(nn.Linear(6, 16)), nn.ReLU(), nn.Linear(16, 4))), *shape)
    after = equalize(before)
    unchanged(before, after, random(*shape))
    torch.testing.assert_close(*ranges(after), rtol=2**-22, atol=0)


def test_the_model_stays_as_it_is() -> None:
    before = traced(seeded(CONVOLUTIONS["bias relu"]), 2, 3, 8, 8)
    weight = before.weight(before.layers[0]).clone()
    equalize(before)
    assert torch.equal(before.weight(before.layers[0]), weight)


def test_channels_of_zeros_stay_as_they_are() -> None:
    model = seeded(CONVOLUTIONS["bias relu"])
    model[0].weight.data[2] = 0
    model[2].weight.data[:, 5] = 0
    before = traced(model, 2, 3, 8, 8)
    after = equalize(before)
    unchanged(before, after, random(2, 3, 8, 8))
    first, second = after.products
    for channel in (2, 5):
        assert torch.equal(after.weight(first)[channel], before.weight(first)[channel])
        assert torch.equal(after.weight(second)[:, channel], before.weight(second)[:, channel])
        assert after.bias(first)[channel] == before.bias(first)[channel]


def test_chains_settle() -> None:
    def build() -> nn.Module:
        layers = [uneven(nn.Linear(*widths)) for widths in ((6, 8), (8, 8), (8, 8), (8, 5))]
        return nn.Sequential(*(one for layer in layers for one in (layer, nn.ReLU())))

    before = traced(seeded(build), 2, 6)
    after = equalize(before)
    assert pairs(before) == [("0", "2"), ("2", "4"), ("4", "6")]
    for (first, _), (_, second) in zip(equalizable_pairs(after), equalizable_pairs(after), strict=True):
        out_range = after.weight(first).abs().amax(1)
        in_range = after.weight(second).abs().amax(0)
        torch.testing.assert_close(out_range, in_range, rtol=0.05, atol=0)


def of(function: object, *shape: int, **parts: nn.Module) -> TracedModel:
    return traced(seeded(lambda: Lambda(function, **parts)), *shape)


def convolutions(**options: Any) -> dict[str, nn.Module]:
    return {"a": nn.Conv2d(8, 8, 1), "b": nn.Conv2d(8, 8, 1, **options)}


NO_PAIRS: dict[str, tuple[Callable[..., Any], dict[str, nn.Module]]] = {
    "a residual in the first": (lambda self, x: self.b((self.a(x) + x).relu()), convolutions()),
    "relu6": (lambda self, x: self.b(functional.relu6(self.a(x))), convolutions()),
    "gelu": (lambda self, x: self.b(functional.gelu(self.a(x))), convolutions()),
    "another operator between": (lambda self, x: self.b(self.a(x).sigmoid()), convolutions()),
    "two readers": (lambda self, x: self.b(y := self.a(x).relu()) + y.exp(), convolutions()),
    "read as an output": (lambda self, x: (self.b(y := self.a(x).relu()), y), convolutions()),
    "read as a residual": (lambda self, x: self.b(x) + self.a(x).relu(), convolutions()),
    "groups in the second": (lambda self, x: self.b(self.a(x).relu()), convolutions(groups=2)),
    "depthwise second": (lambda self, x: self.b(self.a(x).relu()), convolutions(groups=8)),
    "flattened between": (
        lambda self, x: self.b(self.a(x).relu().flatten(1)),
        {"a": nn.Conv2d(8, 8, 1), "b": nn.Linear(8 * 64, 4)},
    ),
    "a linear layer along the width": (
        lambda self, x: self.b(self.a(x).relu()),
        {"a": nn.Conv2d(8, 8, 1), "b": nn.Linear(8, 8)},
    ),
    "a convolution of what rows are": (
        lambda self, x: self.b(self.a(x).relu()),
        {"a": nn.Linear(8, 8), "b": nn.Conv2d(8, 8, 1)},
    ),
    "a pooling": (lambda self, x: self.a(x).relu().mean([2, 3]), {"a": nn.Conv2d(8, 8, 1)}),
}


@pytest.mark.parametrize("name", NO_PAIRS)
def test_where_scales_would_show_there_is_no_pair(name: str) -> None:
    function, parts = NO_PAIRS[name]
    model = of(function, 2, 8, 8, 8, **parts)
    assert pairs(model) == []
    assert torch.equal(equalize(model).weight(model.products[0]), model.weight(model.products[0]))


def test_residual_networks_have_pairs_within_blocks_alone() -> None:
    assert pairs(traced(small_resnet(), 2, 3, 8, 8)) == [("same.conv1", "same.conv2"), ("wider.conv1", "wider.conv2")]
    known = architecture("resnet18").traced
    assert len(pairs(known)) == 8
    # Linear bottlenecks that no residual is added to; the layers between are depthwise.
    linear = [("features.1.conv.1", "features.2.conv.0.0"), ("features.17.conv.2", "features.18.0")]
    assert pairs(architecture("mobilenet_v2").traced) == linear
    assert pairs(architecture("bert").traced) == []
