"""What a runtime is: it takes a model with a recipe and gives logits, whoever computes them, all by the same terms.

The terms: inputs lie on the host in the model's own types (float32 images, int64 tokens), a run ends with float32
logits on the host, and every runtime computes with as many threads as torch has. What it makes of a model once
(compiling, packing, moving weights) is in `prepare`, what it makes of inputs each time is in `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError
from immabench.providers.base import Availability
from immabench.quantize.recipes import Recipe

if TYPE_CHECKING:
    import torch

    from immabench.quantize.quantized import QuantizedModel

Device = Literal["cpu", "cuda"]

Inputs = Sequence["torch.Tensor"]
"""A batch of a model's positional inputs, on the host: float32 images [n, c, h, w], or int64 tokens and mask
[n, length]."""

Logits = NDArray[np.float32]
"""[n, classes], on the host."""

Needs = Literal["module", "quantized", "onnxruntime", "tensorrt"]
"""What a runtime is prepared from: the module in floats, codes and scales, or an ONNX file written for that engine."""


@dataclass(frozen=True)
class Artifacts:
    """A model with a recipe, in every form that a runtime may ask for; what is not asked for is not made."""

    recipe: Recipe
    module: Callable[[], torch.nn.Module]
    """With its weights, in evaluation mode, float32."""
    quantized: Callable[[], QuantizedModel]
    """By `recipe`, calibrated."""
    onnx: Path | None = None
    """For the engine that the runtime needs."""

    @property
    def onnx_file(self) -> Path:
        """Raises UsageError where there is none."""
        if self.onnx is None or not self.onnx.is_file():
            raise UsageError(f"no ONNX file at {self.onnx}", "write one: immabench export MODEL --format onnx")
        return self.onnx


@dataclass(frozen=True)
class LayerTiming:
    """What one layer took in a run, microseconds, the median of `PROFILED_RUNS` runs under a profiler.

    `name` is the layer's as `quantize.layers` names it, or the module path of what is no layer. `kernel` is what ran,
    as its library calls it. `reformat_us` is what changing types, codes and layouts for this layer took besides; it is
    not in `time_us`. `note` says what the figures cannot.
    """

    name: str
    op: str
    precision: str
    kernel: str
    time_us: float
    reformat_us: float = 0.0
    note: str = ""


PROFILED_RUNS = 10
WARM_RUNS = 3
"""Runs before those: lazy initialisation is not in a profile."""


class Session(Protocol):
    """A model that a runtime has made ready."""

    backend: str
    """What really runs: versions, provider, types, layout, threads."""
    size_bytes: int
    """Of the weights as this runtime stores them."""

    def run(self, inputs: Inputs) -> Logits:
        """The logits of a batch. Raises UsageError for shapes and lengths that the model does not take."""

    def inspect(self, inputs: Inputs) -> list[LayerTiming]:
        """The time of each layer in the order they run, under the runtime's own profiler."""


class Runtime(Protocol):
    """Who runs whole models."""

    name: str
    devices: tuple[Device, ...]
    """Where it computes."""
    needs: Needs
    environment: dict[str, str]
    """Variables that its process is started with, but where the user has set them: libraries read them when loaded."""

    def availability(self) -> Availability:
        """Whether it works on this machine, on one of its devices at least; must not raise."""

    def unsupported(self, recipe: Recipe) -> str:
        """Why it cannot run a recipe, "" where it can."""

    def prepare(self, artifacts: Artifacts, device: Device) -> Session:
        """Make a model ready. Raises ImmabenchError for one that it cannot run."""


def median_of_runs(runs: Sequence[Sequence[LayerTiming]]) -> list[LayerTiming]:
    """One list of layers for the lists of several runs, in their order; a burst of other work does not count.

    What a layer did not do in some run took nothing there.
    """
    first = {timing.name: timing for run in reversed(runs) for timing in run}
    by_run = [{timing.name: timing for timing in run} for run in runs]
    order = dict.fromkeys(timing.name for run in runs for timing in run)

    def middle(name: str, part: str) -> float:
        return median(getattr(run[name], part) if name in run else 0.0 for run in by_run)

    return [
        replace(first[name], time_us=middle(name, "time_us"), reformat_us=middle(name, "reformat_us")) for name in order
    ]


def refused(inputs: Inputs, error: Exception | str) -> UsageError:
    """The error of a model that does not take the shapes of `inputs`."""
    shapes = ", ".join(str(list(one.shape)) for one in inputs)
    first = str(error).strip().split("\n")[0]
    return UsageError(f"the model does not take {shapes} ({first})", "give inputs of its size, or a smaller --length")
