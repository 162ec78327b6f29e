"""Trained models, W8A8, by ONNX Runtime and simulated, on evaluation data: skipped where their weights are not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import run, session  # noqa: E402
from onnx import ModelProto  # noqa: E402
from toy_models import toy  # noqa: E402

from immabench.accuracy.experiment import Experiment  # noqa: E402
from immabench.accuracy.outputs import correct  # noqa: E402
from immabench.accuracy.statistics import paired_difference  # noqa: E402
from immabench.assets import folder  # noqa: E402
from immabench.export import to_onnx  # noqa: E402
from immabench.models import digits_resnet  # noqa: E402
from immabench.models.datasets import batches  # noqa: E402
from immabench.models.trained import TrainedModel, trained_model  # noqa: E402
from immabench.quantize.recipe_files import load_recipe  # noqa: E402

SAMPLES = {"toy": 60, "resnet18-digits": 200, "resnet20": 400, "distilbert": 60}


def model_here(name: str) -> TrainedModel:
    """The model, where neither training nor fetching comes first."""
    if name == "toy":
        return toy()
    if name == digits_resnet.NAME and not Path(digits_resnet.cached()).exists():
        pytest.skip("resnet18-digits was never trained here: immabench evaluate")
    model = trained_model(name)
    if model.weights and not (folder() / model.weights).is_dir():
        pytest.skip(f"no {model.weights} in {folder()}: immabench assets list")
    return model


def logits(made: ModelProto, experiment: Experiment) -> np.ndarray:
    found = session(made)
    data = batches(experiment.data, experiment.model.batch)
    return np.concatenate([run(found, *inputs)["output"] for inputs, _ in data])


@pytest.mark.parametrize("name", SAMPLES)
def test_accuracy_is_that_of_the_simulation(name: str) -> None:
    model = model_here(name)
    experiment = Experiment(model, SAMPLES[name])
    recipe = load_recipe(
        model.recipes, "w8a8", ["calibration.samples=32" if name != "toy" else "calibration.samples=12"]
    )
    quantized = experiment.quantized(recipe)
    want = experiment.outputs(quantized, "simulated")
    got = logits(to_onnx(quantized, dimensions=model.dimensions), experiment)
    labels = experiment.data.labels
    assert not paired_difference(correct(got, labels), correct(want, labels)).distinguishable
    assert (got.argmax(1) == want.argmax(1)).mean() >= 0.95
