"""The integer engine as a runtime."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from toy_models import toy

from immabench.accuracy.experiment import Experiment
from immabench.models.integer import lower
from immabench.models.integer.model import Step, StepTime
from immabench.models.runtimes.base import Artifacts
from immabench.models.runtimes.integer import IntegerRuntime, _by_layer
from immabench.quantize.recipe_files import BUILT_IN, load_recipe


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    pass


def test_logits_and_layers_are_the_engines() -> None:
    experiment = Experiment(toy())
    recipe = load_recipe("resnet18", "w8a8")
    quantized = experiment.quantized(recipe)
    made = IntegerRuntime().prepare(Artifacts(recipe, lambda: pytest.fail("no module"), lambda: quantized), "cpu")
    inputs = experiment.data.inputs(range(5))
    np.testing.assert_array_equal(made.run(inputs), lower(quantized)(*inputs).numpy())
    assert made.size_bytes == quantized.size_bytes
    assert "exact CPU path" in made.backend
    found = {one.name: one for one in made.inspect(inputs)}
    assert {"conv1", "conv2", "fc"} <= set(found)
    assert (found["conv1"].precision, found["conv1"].op) == ("W8A8", "conv2d_s8")
    assert found["conv1"].reformat_us > 0, "the image is quantized for it"


def test_steps_of_a_layer_are_added_up() -> None:
    steps = [
        StepTime(Step("quantize", "conv1", "quantize", "A8", converts=True), 1e-6, "cpu:quantize"),
        StepTime(Step("conv", "conv1", "conv2d_s8", "W8A8"), 5e-6, "cpu:multiply_s8"),
        StepTime(Step("view", "", "aten.view", "fp32"), 2e-6, ""),
    ]
    conv, view = _by_layer(steps)
    assert (conv.name, conv.kernel, conv.time_us, conv.reformat_us) == ("conv1", "cpu:multiply_s8", 5.0, 1.0)
    assert (view.name, view.kernel, view.time_us) == ("view", "aten.view", 2.0)


def test_floats_are_not_run() -> None:
    assert "multiply codes" in IntegerRuntime().unsupported(BUILT_IN["bf16"])
    assert IntegerRuntime().unsupported(load_recipe("resnet18", "w4a8")) == ""
