"""immabench as a runtime: the quantized model layer by layer through `immabench.ops`, whose results are exact."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import util
from typing import TYPE_CHECKING

from immabench import __version__
from immabench.models.runtimes.base import (
    PROFILED_RUNS,
    WARM_RUNS,
    Artifacts,
    Device,
    Inputs,
    LayerTiming,
    Logits,
    Needs,
    median_of_runs,
    refused,
)
from immabench.providers.base import Availability
from immabench.quantize.recipes import Recipe

if TYPE_CHECKING:
    import torch

    from immabench.models.integer import IntegerModel
    from immabench.models.integer.captured import CapturedModel
    from immabench.models.integer.model import StepTime

EXACT = "exact CPU path"
CHOSEN = "kernels predicted fastest, one CUDA graph"
"""How operators compute on a CPU and on a GPU (`models.integer.lower`)."""


WAIT_POLICY = "OMP_WAIT_POLICY"
"""Of torch's threads: what is left to torch takes microseconds, after which its threads would spin for milliseconds on
the processors that operators' own threads compute on."""


class IntegerRuntime:
    """`immabench.models.integer`: on a CPU by exact passes, on a GPU by the kernels by hand."""

    name = "immabench"
    devices: tuple[Device, ...] = ("cpu", "cuda")
    needs: Needs = "quantized"

    def __init__(self) -> None:
        self.environment = {WAIT_POLICY: "passive"}

    def availability(self) -> Availability:
        if util.find_spec("torch") is None:
            return Availability(False, "torch is not installed", "pip install 'immabench[models]'")
        return Availability(True, f"immabench {__version__}, integer kernels")

    def unsupported(self, recipe: Recipe) -> str:
        return "its kernels multiply codes; runtime torch, or onnxruntime, runs floats" if recipe.is_float else ""

    def prepare(self, artifacts: Artifacts, device: Device) -> IntegerSession:
        from immabench.models.integer import lower

        quantized = artifacts.quantized()
        return IntegerSession(lower(quantized).on(device), quantized.size_bytes, device)


class IntegerSession:
    """An `IntegerModel` with its inputs moved to its device and its logits back; on a GPU by one CUDA graph for each
    shape of inputs."""

    def __init__(self, model: IntegerModel, size_bytes: int, device: Device) -> None:
        self._model, self._device, self.size_bytes = model, device, size_bytes
        self._captured: dict[tuple[tuple[int, ...], ...], CapturedModel] = {}
        self.backend = self._describe()

    def run(self, inputs: Inputs) -> Logits:
        import torch

        try:
            with torch.inference_mode():
                logits: Logits = self._compute(self._placed(inputs)).cpu().numpy()
        except (RuntimeError, AssertionError, IndexError) as error:
            raise refused(inputs, error) from error
        return logits

    def inspect(self, inputs: Inputs) -> list[LayerTiming]:
        """By the model's own clock around each step; steps of a layer are added up."""
        placed = self._placed(inputs)
        for _ in range(WARM_RUNS):
            self.run(inputs)
        return median_of_runs([_by_layer(self._model.timed(*placed)) for _ in range(PROFILED_RUNS)])

    def _compute(self, placed: Sequence[torch.Tensor]) -> torch.Tensor:
        if self._device != "cuda":
            return self._model(*placed)
        from immabench.models.integer.captured import CapturedModel

        shapes = tuple(tuple(one.shape) for one in placed)
        if shapes not in self._captured:
            self._captured[shapes] = CapturedModel(self._model, *placed)
        return self._captured[shapes](*placed)

    def _placed(self, inputs: Inputs) -> list[torch.Tensor]:
        return [tensor.to(self._device) for tensor in inputs]

    @property
    def _how(self) -> str:
        return CHOSEN if self._device == "cuda" else EXACT

    def _describe(self) -> str:
        import torch

        simulated = len({step.layer for step in self._model.steps if step.layer and step.note})
        rest = f", {simulated} layers simulated in floats" if simulated else ""
        threads = f"{torch.get_num_threads()} threads, {WAIT_POLICY}={os.environ.get(WAIT_POLICY, 'unset')}"
        where = torch.cuda.get_device_name() if self._device == "cuda" else threads
        return f"immabench {__version__}, {self._how}, torch {torch.__version__}{rest}, {where}"


def _by_layer(timed: Sequence[StepTime]) -> list[LayerTiming]:
    """The longest step of a layer that computes names its kernel; those that convert are counted beside it. What is no
    layer is counted by its module."""
    groups: dict[str, list[StepTime]] = {}
    for one in timed:
        groups.setdefault(one.step.layer or one.step.name.partition("/")[0], []).append(one)
    return [_layer(name, steps) for name, steps in groups.items()]


def _layer(name: str, steps: Sequence[StepTime]) -> LayerTiming:
    computing = [one for one in steps if not one.step.converts]
    longest = max(computing or steps, key=lambda one: one.seconds)
    time = 1e6 * sum(one.seconds for one in computing)
    reformat = 1e6 * sum(one.seconds for one in steps) - time
    notes = dict.fromkeys(one.step.note for one in steps if one.step.note)
    kernel = longest.kernel or longest.step.operator
    return LayerTiming(name, longest.step.operator, longest.step.precision, kernel, time, reformat, "; ".join(notes))
