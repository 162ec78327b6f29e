"""Which values are read as codes: asked once, answered alike for a simulation, an export and integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import random, small_resnet, traced  # noqa: E402

from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.quantizers import DynamicQuantizer, StaticQuantizer  # noqa: E402
from immabench.quantize.recipes import Recipe  # noqa: E402

IMAGES = random(2, 3, 8, 8, seed=5)


def quantized(**activations: Any) -> QuantizedModel:
    model = traced(small_resnet(), 2, 3, 8, 8)
    recipe = Recipe.model_validate({"name": "r", "weights": {}, "activations": activations})
    return ptq.quantize(model, recipe, observe(model, [(IMAGES,)]) if recipe.needs_calibration else None)


@pytest.mark.parametrize("residuals", [False, True])
def test_residuals_are_read_as_codes_where_the_recipe_says_so(residuals: bool) -> None:
    made = quantized(calibrator="minmax", residuals=residuals)
    found = {reading.operand.name: reading for reading in made.readings}
    assert {reading.operand.role for reading in found.values()} == {"input", *(["residual"] if residuals else [])}
    assert {name: reading.parameters for name, reading in found.items()} == {n: made.parameters_of[n] for n in found}
    for layer in made.traced.layers:
        assert (made.readings.of_operand(layer.residual) is not None) == (residuals and layer.residual is not None)
    assert made.readings.of_operand(None) is None


def test_scales_found_when_running_have_no_parameters() -> None:
    made = quantized(scales="tensor")
    readings = list(made.readings)
    assert readings
    assert all(reading.parameters is None for reading in readings)
    assert all(isinstance(reading.quantizer(), DynamicQuantizer) for reading in readings)


def test_a_value_is_codes_in_memory_where_all_its_readers_read_the_same() -> None:
    made = quantized(calibrator="minmax", residuals=True)
    nodes = {node.name: node for node in made.traced.graph.graph.nodes}
    shared = next(layer for layer in made.traced.layers if layer.residual is not None).residual
    assert shared is not None
    alike = made.readings.all_alike(nodes[shared.stored])
    assert alike is not None
    assert isinstance(alike.quantizer(), StaticQuantizer)
    known = made.parameters_of[shared.name]
    made.parameters_of[shared.name] = replace(known, scale=2 * known.scale)
    assert made.readings.all_alike(nodes[shared.stored]) is None, "another scale"
    del made.parameters_of[shared.name]
    assert made.readings.all_alike(nodes[shared.stored]) is None, "a reader whose scale is found when running"
