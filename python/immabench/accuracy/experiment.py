"""A trained model with its data, and everything that several recipes share: the trace, observations, the reference."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from immabench import __version__
from immabench.accuracy.outputs import Logits, Progress, correct, kl_divergence, outputs, silent, sqnr_db
from immabench.accuracy.rows import AccuracyRow
from immabench.accuracy.statistics import paired_difference, proportion
from immabench.errors import UsageError
from immabench.hardware import cpu_info
from immabench.measure.run_folder import utc_now
from immabench.models.datasets import Dataset, balanced_subset, batches
from immabench.models.trained import TrainedModel
from immabench.quantize import ptq
from immabench.quantize.files import load_quantized, read_description
from immabench.quantize.observing import Observations, observe
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipes import Recipe
from immabench.quantize.traced import TracedModel

MOST_CLASSES_WITHOUT_TOP5 = 10
"""Five of few classes say little."""


class Experiment:
    """`limit` samples of the evaluation data, balanced by class, or all. What is found once is kept.

    With `stored`, a folder of `save_quantized`, what is evaluated is the model in it, by its own recipe alone.
    """

    def __init__(
        self,
        model: TrainedModel,
        limit: int | None = None,
        progress: Progress = silent,
        stored: Path | None = None,
    ) -> None:
        self.model, self._limit, self._progress, self._stored = model, limit, progress, stored
        self._observations: dict[tuple[bool, int, int], Observations] = {}
        self._prepared: dict[bool, TracedModel] = {}

    @cached_property
    def traced(self) -> TracedModel:
        """The model in floats, as a graph with layers."""
        return TracedModel.of(self.model.load(), self._example(), self.model.dimensions)

    @cached_property
    def data(self) -> Dataset:
        """What is evaluated with."""
        data = self.model.evaluation()
        return data if self._limit is None else balanced_subset(data, self._limit, seed=0)

    @cached_property
    def reference(self) -> Logits:
        """The logits of the model in fp32."""
        return self.outputs(self.traced.graph, "fp32")

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 over names and bytes of all parameters."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.traced.graph.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def calibration(self, recipe: Recipe) -> Dataset:
        """The samples that a recipe is calibrated with."""
        return balanced_subset(self.model.calibration(), recipe.calibration.samples, recipe.calibration.seed)

    def quantized(self, recipe: Recipe) -> QuantizedModel:
        """The model with a recipe, calibrated where that needs to be."""
        if self._stored is not None:
            return load_quantized(self._stored, self.traced)
        seen = self.observations(recipe) if recipe.needs_calibration else None
        return ptq.quantize(self._prepare(recipe), recipe, seen)

    def observations(self, recipe: Recipe) -> Observations:
        """One pass over the calibration data, the same for all recipes that have the same data and weights."""
        key = (recipe.methods.equalize, recipe.calibration.samples, recipe.calibration.seed)
        if key not in self._observations:
            data = self.calibration(recipe)
            inputs = (inputs for inputs, _ in batches(data, self.model.batch))
            self._observations[key] = observe(
                self._prepare(recipe), inputs, lambda done: self._progress("calibrating", done, len(data))
            )
        return self._observations[key]

    def outputs(self, model: torch.nn.Module, what: str, data: Dataset | None = None) -> Logits:
        """The logits of a model on the evaluation data, or on other data."""
        return outputs(model, self.data if data is None else data, self.model.batch, self._progress, what)

    def evaluate(self, recipe: Recipe) -> AccuracyRow:
        """The accuracy of a recipe beside fp32."""
        start = time.monotonic()
        reference = self.reference
        quantized = self.quantized(recipe)
        is_reference = recipe.is_float and recipe.floats == "fp32" and not recipe.methods.equalize
        logits = reference if is_reference else self.outputs(quantized, recipe.name)
        return self._row(recipe, quantized, logits, reference, time.monotonic() - start)

    def key(self, recipe: Recipe, data: Dataset | None = None, *more: str) -> str:
        """Names all that a row of a recipe depends on: weights, data (the evaluation's), recipe, versions, `more`."""
        calibrated = self.calibration(recipe).digest if self._calibrates(recipe) else ""
        stored = read_description(self._stored).tensors_sha256 if self._stored is not None else calibrated
        judged = self.data if data is None else data
        parts = (self.weights_digest, judged.digest, stored, recipe.digest, __version__, torch.__version__, *more)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def calibrated_with(self, recipe: Recipe) -> str:
        """The name of the calibration data, "" where none was needed."""
        if self._stored is not None:
            return read_description(self._stored).calibration
        return self.calibration(recipe).name if recipe.needs_calibration else ""

    def _example(self) -> tuple[torch.Tensor, ...]:
        """Inputs to trace with, of whichever data is here: one sample twice where there is one, as 1 would be kept."""
        try:
            data = self.data
        except UsageError:
            data = self.model.calibration()
        return data.inputs([0, min(1, len(data) - 1)])

    def _calibrates(self, recipe: Recipe) -> bool:
        return self._stored is None and recipe.needs_calibration

    def _prepare(self, recipe: Recipe) -> TracedModel:
        equalize = recipe.methods.equalize
        if equalize not in self._prepared:
            self._prepared[equalize] = ptq.prepare(self.traced, recipe)
        return self._prepared[equalize]

    def _row(
        self, recipe: Recipe, quantized: QuantizedModel, logits: Logits, reference: Logits, seconds: float
    ) -> AccuracyRow:
        labels = self.data.labels
        top1 = proportion(int(correct(logits, labels).sum()), len(labels))
        has_top5 = logits.shape[1] > MOST_CLASSES_WITHOUT_TOP5
        return AccuracyRow(
            **self.figures(recipe, self.data, logits, reference, seconds),
            key=self.key(recipe),
            precision=precision(recipe, quantized.plans, self.traced),
            calibration=self.calibrated_with(recipe),
            accuracy_interval=top1.interval,
            accuracy_top5=float(correct(logits, labels, 5).mean()) if has_top5 else None,
            size_bytes=quantized.size_bytes,
            quantized_macs=quantized_macs(quantized.plans, self.traced),
            fallbacks=[f"{plan.layer}: {plan.fallback}" for plan in quantized.plans if plan.fallback],
        )

    def figures(
        self, recipe: Recipe, data: Dataset, logits: Logits, reference: Logits, seconds: float
    ) -> dict[str, Any]:
        """What every row says of logits of a recipe beside those of fp32, but its key and calibration data."""
        right = correct(logits, data.labels)
        theirs = correct(reference, data.labels)
        paired = paired_difference(right, theirs)
        return {
            "model": self.model.name,
            "title": self.model.title,
            "watermark": self.model.watermark,
            "recipe": recipe.name,
            "recipe_digest": recipe.digest,
            "weights_digest": self.weights_digest,
            "data": data.name,
            "data_digest": data.digest,
            "samples": len(data),
            "accuracy_top1": float(right.mean()),
            "reference_top1": float(theirs.mean()),
            "difference": paired.value,
            "difference_interval": paired.interval,
            "p_value": paired.p_value,
            "gained": paired.gained,
            "lost": paired.lost,
            "distinguishable": paired.distinguishable,
            "sqnr_db": sqnr_db(logits, reference),
            "kl_divergence": kl_divergence(logits, reference),
            "seconds": round(seconds, 2),
            "measured_at": utc_now(),
            "machine": f"{cpu_info().name}, {torch.get_num_threads()} threads",
            "versions": versions(),
        }


def versions() -> dict[str, str]:
    """Of what figures come from."""
    return {"immabench": __version__, "torch": torch.__version__, "numpy": np.__version__}


def precision(recipe: Recipe, plans: Sequence[LayerPlan], model: TracedModel) -> str:
    """What most multiply-accumulates of a model are computed with."""
    macs: dict[str, int] = {}
    for plan, layer in zip(plans, model.layers, strict=True):
        name = plan.precision or recipe.floats
        macs[name] = macs.get(name, 0) + layer.macs
    return max(macs, key=lambda name: macs[name])


def quantized_macs(plans: Sequence[LayerPlan], model: TracedModel) -> float:
    """The share of layers' multiply-accumulates with integer weights."""
    macs = [(layer.macs, plan.weights is not None) for plan, layer in zip(plans, model.layers, strict=True)]
    return sum(count for count, quantized in macs if quantized) / sum(count for count, _ in macs)
