"""Post-training quantization: from a model, a recipe and observations to scales, codes and biases."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import random, small_resnet, traced  # noqa: E402

from immabench.errors import NothingSelectedError, UsageError  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.recipes import Recipe  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

STATIC = {"calibrator": "minmax"}
IMAGES = random(6, 3, 8, 8, seed=5)


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate({"name": "r", **tables})


def quantized(model: TracedModel, *batch: torch.Tensor, **tables: Any) -> QuantizedModel:
    """`model` with a recipe, calibrated with one batch."""
    made = recipe(**tables)
    prepared = ptq.prepare(model, made)
    return ptq.quantize(prepared, made, observe(prepared, [batch]) if batch else None)


@pytest.fixture(scope="module")
def resnet() -> TracedModel:
    """A small ResNet."""
    return traced(small_resnet(), 2, 3, 8, 8)


def distance(model: QuantizedModel) -> float:
    """From floats, of logits, relatively."""
    with torch.no_grad():
        want = model.traced.graph(IMAGES)
        return float((model(IMAGES) - want).norm() / want.norm())


@pytest.mark.parametrize("methods", [{}, {"equalize": True}, {"bias_correction": True}])
def test_fewer_bits_are_farther(resnet: TracedModel, methods: dict[str, bool]) -> None:
    found = [
        distance(
            quantized(resnet, IMAGES, weights={"bits": bits}, activations={**STATIC, "bits": bits}, methods=methods)
        )
        for bits in (8, 6, 4, 2)
    ]
    assert found == sorted(found)
    assert found[0] < 0.05
    assert found[-1] > 10 * found[0]


def test_the_same_data_gives_the_same_scales(resnet: TracedModel) -> None:
    tables = {"weights": {}, "activations": {**STATIC, "calibrator": "mse", "residuals": True}}
    first, second = (quantized(resnet, IMAGES, **tables) for _ in range(2))
    assert first.parameters_of == second.parameters_of
    assert set(first.parameters_of) == {one.name for layer in resnet.layers for one in layer.operands}
    assert torch.equal(first(IMAGES), second(IMAGES))
    assert quantized(resnet, IMAGES + 1, **tables).parameters_of != first.parameters_of


def test_readers_of_one_value_may_have_different_recipes(resnet: TracedModel) -> None:
    """What `wider.conv1` reads `wider.downsample` does too, at other bits."""
    differences = {"wider.downsample": {"weights": {"bits": 4}, "activations": {"bits": 4}}}
    made = quantized(resnet, IMAGES, weights={}, activations=STATIC, layers=differences)
    first, second = (made.parameters_of[f"wider.{name}.input"] for name in ("conv1", "downsample"))
    assert (first.qmin, first.qmax) == (-128, 127)
    assert (second.qmin, second.qmax) == (-8, 7)
    assert second.scale == pytest.approx(17 * first.scale)


def test_calibration_is_asked_for(resnet: TracedModel) -> None:
    for tables in ({"weights": {}, "activations": STATIC}, {"weights": {}, "methods": {"bias_correction": True}}):
        with pytest.raises(UsageError, match="recipe r needs calibration data; observe some"):
            ptq.quantize(resnet, recipe(**tables))


def test_unknown_layers_are_refused(resnet: TracedModel) -> None:
    with pytest.raises(NothingSelectedError, match="no layer matches 'tail'; known: stem, "):
        quantized(resnet, weights={}, layers={"tail": {"floats": True}})


def test_a_model_is_equalized_where_the_recipe_says_so(resnet: TracedModel) -> None:
    assert ptq.prepare(resnet, recipe()) is resnet
    other = ptq.prepare(resnet, recipe(methods={"equalize": True}))
    layer = next(layer for layer in resnet.layers if layer.name == "same.conv1")
    assert not torch.equal(other.weight(layer), resnet.weight(layer))


def test_biases_are_the_models_where_none_is_corrected(resnet: TracedModel) -> None:
    made = quantized(resnet, weights={"bits": 3})
    for layer in resnet.products:
        assert torch.equal(made.biases[layer.name], resnet.bias(layer))
    corrected = quantized(resnet, IMAGES, weights={"bits": 3}, methods={"bias_correction": True})
    assert all(not torch.equal(corrected.biases[name], bias) for name, bias in made.biases.items())
