"""A cell's own process: one runtime with one recipe, made ready, timed, asked for logits and for its layers.

A fresh process a cell: thread pools of several libraries would contend, and what is resident is this runtime's alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from immabench.e2e import machine_use
from immabench.e2e.inputs import Inputs, input_sets
from immabench.e2e.latency import time_runs
from immabench.e2e.source import ModelSource
from immabench.errors import ImmabenchError
from immabench.measure.timer import Launch
from immabench.measure.worker import serve
from immabench.profile.ranges import nvtx_range


class CellWorker:
    """Answers requests of one cell, the first of which is "prepare"."""

    def __init__(self) -> None:
        self._logits: list[Any] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out `request["do"]`; what a user can mend becomes `{"error": line}`."""
        try:
            found: dict[str, Any] = getattr(self, f"_{request.pop('do')}")(**request)
        except ImmabenchError as error:
            return {"error": str(error)}
        return found

    def _prepare(
        self,
        source: dict[str, Any],
        runtime: str,
        device: str,
        recipe: dict[str, Any],
        quantized: str | None,
        onnx: str | None,
        threads: int,
    ) -> dict[str, Any]:
        """Everything that is not the runtime's is loaded before memory is looked at."""
        import torch

        from immabench.accuracy.experiment import Experiment
        from immabench.models.runtimes.base import Artifacts
        from immabench.models.runtimes.registry import runtime as runtime_named
        from immabench.quantize.recipes import Recipe

        torch.set_num_threads(threads)
        chosen, named = Recipe.model_validate(recipe), ModelSource(**source)
        self._model = named.model
        experiment = Experiment(self._model, named.limit, stored=Path(quantized) if quantized else None)
        self._data = experiment.data
        provider = runtime_named(runtime)
        provider.availability()
        self._before = machine_use.resident_bytes() if device == "cpu" else None
        artifacts = Artifacts(
            chosen, self._model.load, lambda: experiment.quantized(chosen), Path(onnx) if onnx else None
        )
        self._session = provider.prepare(artifacts, device)  # type: ignore[arg-type]
        return {"backend": self._session.backend, "size_bytes": self._session.size_bytes}

    def _latency(self, batch: int, length: int | None, seconds: float) -> dict[str, Any]:
        """Times of single runs in microseconds, and the peak of memory while they ran."""
        sets = input_sets(self._data, batch, length)
        machine_use.reset_peak()
        others = machine_use.OtherWork()
        with nvtx_range(f"e2e {self._session.backend} batch {batch}"):
            timing = time_runs([self._launch(inputs) for inputs in sets], batch, seconds)
        share, peak = others.share(), machine_use.peak_bytes()
        used = None if peak is None or self._before is None else max(0, peak - self._before)
        found = {"times_us": list(timing.times_us), "distrust": timing.distrust}
        return {**found, "memory_bytes": used, "others_share": share}

    def _launch(self, inputs: Inputs) -> Launch:
        def run() -> None:
            self._session.run(inputs)

        return run

    def _evaluate(self, start: int, stop: int, path: str) -> dict[str, Any]:
        """Logits of samples from `start` up to `stop`; with the last, all are written to `path`."""
        import torch

        from immabench.accuracy.outputs import outputs
        from immabench.models.datasets.dataset import Subset

        part = Subset(self._data, range(start, stop), self._data.name)
        self._logits.append(outputs(lambda *inputs: torch.from_numpy(self._session.run(inputs)), part, stop - start))
        if stop == len(self._data):
            np.save(path, np.concatenate(self._logits))
        return {"done": stop}

    def _inspect(self, batch: int, length: int | None, seconds: float) -> dict[str, Any]:
        """The layers as the runtime's profiler has them, and times of whole runs without it."""
        from dataclasses import asdict

        found = self._latency(batch, length, seconds)
        layers = self._session.inspect(input_sets(self._data, batch, length)[0])
        return {**found, "layers": [asdict(layer) for layer in layers]}


if __name__ == "__main__":
    serve(CellWorker().answer)
