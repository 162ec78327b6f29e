"""Post-training quantization: a model and a recipe, with what was observed, to a quantized model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from immabench.errors import UsageError
from immabench.quantize.bias_correction import corrected_biases
from immabench.quantize.calibrators import calibrate
from immabench.quantize.equalization import equalize
from immabench.quantize.observing import Observations
from immabench.quantize.plans import LayerPlan, plan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipes import Recipe
from immabench.quantize.schemes import QuantizationParameters
from immabench.quantize.traced import TracedModel
from immabench.quantize.weights import LayerWeights, quantize_weight


def prepare(model: TracedModel, recipe: Recipe) -> TracedModel:
    """What is to be observed and quantized: the model, equalized where the recipe says so."""
    return equalize(model) if recipe.methods.equalize else model


def quantize(model: TracedModel, recipe: Recipe, seen: Observations | None = None) -> QuantizedModel:
    """Quantize a model of `prepare`. `seen` is needed where `recipe.needs_calibration`.

    Raises NothingSelectedError for layers of the recipe that the model has not, UsageError without observations.
    """
    if recipe.needs_calibration and seen is None:
        raise UsageError(f"recipe {recipe.name} needs calibration data", "observe some")
    plans = plan(recipe, model.layers)
    weights: dict[str, LayerWeights] = {
        one.layer: quantize_weight(model.weight(layer), one.weights)
        for one, layer in zip(plans, model.layers, strict=True)
        if one.weights is not None
    }
    biases = _biases(model, recipe, weights, seen)
    return QuantizedModel(model, recipe, plans, weights, biases, _parameters(model, plans, seen))


def _biases(
    model: TracedModel, recipe: Recipe, weights: dict[str, LayerWeights], seen: Observations | None
) -> dict[str, torch.Tensor]:
    if recipe.methods.bias_correction and seen is not None:
        corrected: dict[str, torch.Tensor] = corrected_biases(model, weights, seen)
        return corrected
    found = {layer.name: model.bias(layer) for layer in model.products if layer.name in weights}
    return {name: bias for name, bias in found.items() if bias is not None}


def _parameters(
    model: TracedModel, plans: Sequence[LayerPlan], seen: Observations | None
) -> dict[str, QuantizationParameters]:
    """Scales and zero points by operand: readers of one value may have different recipes."""
    found: dict[str, QuantizationParameters] = {}
    known: dict[tuple[str, str], QuantizationParameters] = {}
    for one, layer in zip(plans, model.layers, strict=True):
        recipe = one.activations
        if recipe is None or recipe.scales != "static" or seen is None:
            continue
        for operand in one.quantized_operands(layer):
            key = (operand.stored, recipe.model_dump_json())
            if key not in known:
                known[key] = calibrate(seen.observers[operand.stored], recipe.scheme, str(recipe.calibrator))
            found[operand.name] = known[key]
    return found
