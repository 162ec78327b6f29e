"""The quantization library: what ranges values have, the scales that follow, and models that compute with them.

    model = TracedModel.of(module, (images,), ({0: "batch"},))
    recipe = read_recipe(Path("w8a8.toml"))
    prepared = prepare(model, recipe)
    quantized = quantize(prepared, recipe, observe(prepared, batches))
    logits = quantized(images)

Importing this imports torch. docs/quantization.md says what happens and which keys recipes have.
"""

from immabench.quantize.calibrators import CALIBRATORS, calibrate
from immabench.quantize.files import load_quantized, save_quantized
from immabench.quantize.histogram import Histogram
from immabench.quantize.layers import Layer
from immabench.quantize.observer import Observer
from immabench.quantize.observing import Observations, observe
from immabench.quantize.plans import LayerPlan, plan
from immabench.quantize.ptq import prepare, quantize
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipe_files import changed, load_recipe, read_recipe, recipe_text
from immabench.quantize.recipes import ActivationRecipe, Recipe, WeightRecipe
from immabench.quantize.schemes import QuantizationParameters, TensorScheme, ValueRange
from immabench.quantize.traced import TracedModel
from immabench.quantize.weights import LayerWeights, quantize_weight

__all__ = [
    "CALIBRATORS",
    "ActivationRecipe",
    "Histogram",
    "Layer",
    "LayerPlan",
    "LayerWeights",
    "Observations",
    "Observer",
    "QuantizationParameters",
    "QuantizedModel",
    "Recipe",
    "TensorScheme",
    "TracedModel",
    "ValueRange",
    "WeightRecipe",
    "calibrate",
    "changed",
    "load_quantized",
    "load_recipe",
    "observe",
    "plan",
    "prepare",
    "quantize",
    "quantize_weight",
    "read_recipe",
    "recipe_text",
    "save_quantized",
]
