"""Which layers a recipe hurts: each quantized alone, and each left in floats alone.

Samples are calibration data that no scale was found from. Choosing layers is fitting a recipe to samples: were they
those of the evaluation, its figures would be of a recipe made for them, and no longer of what it does to new ones.
Where the model was trained on the calibration data, drops of accuracy are smaller than on new data; the KL divergence,
which needs no labels, ranks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

import torch

from immabench.accuracy.experiment import Experiment
from immabench.accuracy.outputs import Logits, Progress, outputs, silent
from immabench.accuracy.row_files import RowFile
from immabench.accuracy.sensitivity_rows import Quantized, SensitivityRow, ranked
from immabench.errors import NothingSelectedError, UsageError
from immabench.models.datasets import Dataset, balanced_subset
from immabench.models.datasets.dataset import Subset
from immabench.quantize.plans import LayerPlan, check_layer_names, plan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipes import LayerRecipe, Recipe

FILE = "sensitivity.jsonl"


class Pass(NamedTuple):
    """One pass over the samples: a layer, or "" for the whole model, and what of it is quantized."""

    layer: str
    quantized: Quantized


class Sensitivity:
    """A recipe of a model on `data`. Pooling layers have no weights: they are quantized in "all" and "others" alone."""

    def __init__(self, experiment: Experiment, recipe: Recipe, data: Dataset, progress: Progress = silent) -> None:
        self.experiment, self.recipe, self.data, self._progress = experiment, recipe, _Remembered(data), progress

    @cached_property
    def quantized(self) -> QuantizedModel:
        """The model with the recipe, calibrated where that needs to be."""
        return self.experiment.quantized(self.recipe)

    def plans(self, patterns: Sequence[str] = ()) -> list[LayerPlan]:
        """Of the layers that the recipe quantizes, in the order they run; of those that match a pattern, if given.

        Raises NothingSelectedError, with the nearest names, for a pattern that no layer matches; and for no layers.
        """
        layers = self.experiment.traced.layers
        check_layer_names(patterns, layers)
        asked = [one for one in plan(self.recipe, layers) if one.weights is not None]
        found = [one for one in asked if not patterns or any(fnmatchcase(one.layer, pattern) for pattern in patterns)]
        if not found:
            which = f" that matches {', '.join(patterns)}" if asked else ""
            raise NothingSelectedError(
                f"recipe {self.recipe.name} quantizes no layer{which}", "choose another recipe or layer"
            )
        return found

    def measure(self, plans: Sequence[LayerPlan], file: RowFile[SensitivityRow]) -> list[SensitivityRow]:
        """The rows of all passes over these layers: those of the file, else measured and written one by one."""
        todo = passes(plans)
        keys = [self.key(one) for one in todo]
        for place, (one, key) in enumerate(zip(todo, keys, strict=True)):
            if key not in file.rows:
                file.add(self._row(one, key, self._counting(place, len(todo))))
        return [file.rows[key] for key in keys]

    def key(self, one: Pass) -> str:
        """Names all that a row depends on: weights, data, recipe, versions, and what is quantized."""
        return self.experiment.key(self.recipe, self.data, *one)

    @cached_property
    def _reference(self) -> Logits:
        return self.experiment.outputs(self.experiment.traced.graph, "fp32", self.data)

    def _counting(self, place: int, count: int) -> Progress:
        """Progress of one pass as that of all."""
        return lambda what, done, total: self._progress(what, place * total + done, count * total)

    def _row(self, one: Pass, key: str, progress: Progress) -> SensitivityRow:
        reference, model = self._reference, self.experiment.model
        _switch(self.quantized, one)
        start = time.monotonic()
        logits = outputs(self.quantized, self.data, model.batch, progress, f"layers of {self.recipe.name}")
        seconds = time.monotonic() - start
        return SensitivityRow(
            **self.experiment.figures(self.recipe, self.data, logits, reference, seconds),
            key=key,
            calibration=self.experiment.calibrated_with(self.recipe),
            layer=one.layer,
            quantized=one.quantized,
        )


class _Remembered(Dataset):
    """Data whose inputs are read once and kept in memory: every pass asks for the same batches."""

    def __init__(self, data: Dataset) -> None:
        self.name, self.labels, self.identifiers = data.name, data.labels, data.identifiers
        self._data = data
        self._kept: dict[tuple[int, ...], tuple[torch.Tensor, ...]] = {}

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        key = tuple(indices)
        if key not in self._kept:
            self._kept[key] = self._data.inputs(indices)
        return self._kept[key]


def passes(plans: Iterable[LayerPlan]) -> list[Pass]:
    """All passes: the whole model first; of a layer whose activations stay in floats, its weights are all there is."""
    found = [Pass("", "none"), Pass("", "all")]
    for one in plans:
        found.append(Pass(one.layer, "weights"))
        if one.activations is not None:
            found += [Pass(one.layer, "activations"), Pass(one.layer, "both")]
        found.append(Pass(one.layer, "others"))
    return found


def held_out(experiment: Experiment, recipe: Recipe, samples: int) -> Dataset:
    """So many samples of the calibration data, balanced by class, that a recipe does not observe.

    A recipe that observes none leaves out as many, so that recipes are judged on the same samples. Raises UsageError
    where there are not enough.
    """
    data, observed = experiment.model.calibration(), recipe.calibration.samples
    left = len(data) - observed
    if samples > left:
        raise UsageError(
            f"{data.name} has {len(data)} samples, and {observed} are for calibration: not {samples} more",
            f"ask for --samples {left} or fewer" if left > 0 else "set calibration.samples to fewer",
        )
    drawn = balanced_subset(data, observed + samples, recipe.calibration.seed)
    name = f"{data.name}, {samples} after the {observed} for calibration, seed {recipe.calibration.seed}"
    return Subset(drawn, range(observed, observed + samples), name)


def fallback_recipe(recipe: Recipe, rows: Sequence[SensitivityRow], kept: int) -> Recipe:
    """The recipe with the `kept` worst layers of a study left in floats; all of it where there are fewer."""
    worst = [layer.name for layer in ranked(rows)[:kept]]
    # At the end: later patterns are over earlier ones.
    others = {pattern: layer for pattern, layer in recipe.layers.items() if pattern not in worst}
    layers = {**others, **{name: LayerRecipe(floats=True) for name in worst}}
    description = f"{recipe.name} with its {len(worst)} most sensitive layers in floats"
    return recipe.model_copy(
        update={"name": f"{recipe.name}-keep{len(worst)}", "description": description, "layers": layers}
    )


def _switch(model: QuantizedModel, one: Pass) -> None:
    rest = one.quantized in ("all", "others")
    model.switch([layer.name for layer in model.traced.layers], weights=rest, activations=rest)
    if one.layer:
        both = one.quantized == "both"
        weights, activations = both or one.quantized == "weights", both or one.quantized == "activations"
        model.switch([one.layer], weights=weights, activations=activations)
