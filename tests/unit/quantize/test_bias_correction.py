"""Bias correction: over the calibration data, means of outputs are those of float weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import random, seeded, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.quantize.bias_correction import corrected_biases  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.recipes import WeightRecipe  # noqa: E402
from immabench.quantize.weights import quantize_weight  # noqa: E402

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolution": (lambda: nn.Conv2d(4, 8, 3), (5, 4, 9, 9)),
    "padding": (lambda: nn.Conv2d(4, 8, 3, padding=1), (5, 4, 9, 9)),
    "stride and padding": (lambda: nn.Conv2d(4, 8, 3, stride=2, padding=(2, 1)), (5, 4, 9, 8)),
    "dilation": (lambda: nn.Conv2d(4, 8, (3, 2), dilation=2), (5, 4, 9, 9)),
    "padding by name": (lambda: nn.Conv2d(4, 8, 3, padding="same"), (5, 4, 9, 9)),
    "no bias": (lambda: nn.Conv2d(4, 8, 3, bias=False), (5, 4, 9, 9)),
    "linear": (lambda: nn.Linear(36, 8), (5, 36)),
    "linear, tokens": (lambda: nn.Linear(36, 8), (5, 7, 36)),
    "linear, images": (lambda: nn.Linear(36, 8), (5, 2, 3, 36)),
    "linear, no bias": (lambda: nn.Linear(36, 8, bias=False), (5, 36)),
}


def channels(output: torch.Tensor, kind: str) -> torch.Tensor:
    """[values, channels]."""
    return output.flatten(0, -2) if kind == "linear" else output.movedim(1, -1).flatten(0, -2)


@pytest.mark.parametrize("name", LAYERS)
def test_means_of_outputs_are_those_of_float_weights(name: str) -> None:
    """Equal in exact arithmetic. Means are taken in float64 here, the correction is float32: sums of 36 products and of
    81 positions, of mean inputs, each rounding within 2^-24 of the sum of magnitudes: 200 of them at most.
    """
    build, shape = LAYERS[name]
    layer = seeded(build)
    model = traced(nn.Sequential(layer), *shape)
    batches = [(random(*shape, seed=seed) + 1,) for seed in range(3)]
    weights = {"0": quantize_weight(layer.weight, WeightRecipe(bits=3))}
    biases = corrected_biases(model, weights, observe(model, batches))
    exact, inputs = nn.Sequential(layer).double(), torch.cat([inputs for (inputs,) in batches]).double()
    kind = model.layers[0].kind
    with torch.no_grad():
        want = channels(exact(inputs), kind).mean(0)
        spread = layer.weight.abs().flatten(1).sum(1).max() * inputs.abs().max()
        layer.weight.data = weights["0"].values().double()
        before = channels(exact(inputs), kind).mean(0)
        old = 0 if layer.bias is None else layer.bias
        after = before - old + biases["0"].double()
    assert biases["0"].dtype == torch.float32
    assert (after - want).abs().max() <= 200 * 2**-24 * spread
    assert (before - want).abs().max() > 100 * (after - want).abs().max(), "there was something to correct"


def test_exact_weights_need_no_correction() -> None:
    layer = seeded(lambda: nn.Linear(4, 2))
    layer.weight.data = torch.tensor([[127.0, -3, 5, 0], [1, -127, 0, 9]])
    model = traced(nn.Sequential(layer), 2, 4)
    weights = {"0": quantize_weight(layer.weight, WeightRecipe())}
    found = corrected_biases(model, weights, observe(model, [(random(2, 4),)]))
    assert torch.equal(found["0"], layer.bias)


def test_layers_in_floats_have_no_correction() -> None:
    model = traced(seeded(lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))), 2, 4)
    weights = {"2": quantize_weight(model.weight(model.layers[1]), WeightRecipe(bits=2))}
    assert set(corrected_biases(model, weights, observe(model, [(random(2, 4),)]))) == {"2"}
