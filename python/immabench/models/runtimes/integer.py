"""immabench as a runtime: the quantized model layer by layer through `immabench.ops`, whose results are exact."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import util
from typing import TYPE_CHECKING, Any

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

EXACT = "exact CPU path"
CHOSEN = "kernel predicted fastest"
"""How operators compute on a CPU and on a GPU (`models.integer.lower`)."""


class IntegerRuntime:
    """`immabench.models.integer`: on a CPU by exact passes, on a GPU by the kernels by hand."""

    name = "immabench"
    devices: tuple[Device, ...] = ("cpu", "cuda")
    needs: Needs = "quantized"

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
    """An `IntegerModel` with its inputs moved to its device and its logits back."""

    def __init__(self, model: Any, size_bytes: int, device: Device) -> None:
        self._model, self._device, self.size_bytes = model, device, size_bytes
        self.backend = self._describe()

    def run(self, inputs: Inputs) -> Logits:
        import torch

        try:
            with torch.inference_mode():
                logits: Logits = self._model(*self._placed(inputs)).float().cpu().numpy()
        except (RuntimeError, AssertionError, IndexError) as error:
            raise refused(inputs, error) from error
        return logits

    def inspect(self, inputs: Inputs) -> list[LayerTiming]:
        """By the model's own clock around each step; steps of a layer are added up."""
        placed = self._placed(inputs)
        for _ in range(WARM_RUNS):
            self.run(inputs)
        how = self._how
        return median_of_runs([_by_layer(self._model.timed(*placed), how) for _ in range(PROFILED_RUNS)])

    def _placed(self, inputs: Inputs) -> list[torch.Tensor]:
        return [tensor.to(self._device) for tensor in inputs]

    @property
    def _how(self) -> str:
        return CHOSEN if self._device == "cuda" else EXACT

    def _describe(self) -> str:
        import torch

        simulated = len({step.layer for step in self._model.steps if step.layer and step.note})
        rest = f", {simulated} layers simulated in floats" if simulated else ""
        where = torch.cuda.get_device_name() if self._device == "cuda" else f"{torch.get_num_threads()} threads"
        return f"immabench {__version__}, {self._how}, torch {torch.__version__}{rest}, {where}"


def _by_layer(timed: Sequence[tuple[Any, float]], how: str) -> list[LayerTiming]:
    """The longest step of a layer that computes names its kernel; those that convert are counted beside it."""
    groups: dict[str, list[tuple[Any, float]]] = {}
    for step, seconds in timed:
        groups.setdefault(step.layer or step.name, []).append((step, 1e6 * seconds))
    return [_layer(name, steps, how) for name, steps in groups.items()]


def _layer(name: str, steps: Sequence[tuple[Any, float]], how: str) -> LayerTiming:
    computing = [one for one in steps if not one[0].converts]
    longest, _ = max(computing or steps, key=lambda one: one[1])
    time = sum(microseconds for _, microseconds in computing)
    reformat = sum(microseconds for _, microseconds in steps) - time
    notes = dict.fromkeys(step.note for step, _ in steps if step.note)
    kernel = longest.operator if longest.operator.startswith("aten") else f"{longest.operator} ({how})"
    return LayerTiming(name, longest.operator, longest.precision, kernel, time, reformat, "; ".join(notes))
