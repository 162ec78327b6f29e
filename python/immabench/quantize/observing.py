"""One pass of a model over calibration data: everything that any calibrator or correction asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

from immabench.errors import UsageError
from immabench.quantize.instrument import instrument
from immabench.quantize.layers import Layer
from immabench.quantize.observer import Observer
from immabench.quantize.traced import TracedModel


@dataclass
class Mean:
    """The mean of a layer's input: where `images`, an image [C, H, W], else rows [K]; float64."""

    images: bool = False
    total: torch.Tensor | None = None
    count: int = 0
    sizes: set[tuple[int, ...]] = field(default_factory=set)

    def add(self, values: torch.Tensor) -> None:
        """Take in a batch: images [B, C, H, W], or rows [..., K]."""
        values = values if self.images else values.reshape(-1, values.shape[-1])
        total = values.sum(0, dtype=torch.float64)
        self.sizes.add(tuple(total.shape))
        if len(self.sizes) == 1:
            self.total = total if self.total is None else self.total + total
            self.count += len(values)

    @property
    def value(self) -> torch.Tensor:
        """float32. Raises UsageError for images of several sizes, which have no mean."""
        if len(self.sizes) > 1:
            first, second = sorted(self.sizes)[:2]
            raise UsageError(
                f"calibration images of {list(first)} and of {list(second)} have no mean",
                "calibrate with images of one size, or without bias correction",
            )
        assert self.total is not None, "something was added"
        return (self.total / self.count).float()


@dataclass
class Observations:
    """Of each value that layers read, by node, and of each product's input, by layer; from so many samples."""

    observers: dict[str, Observer] = field(default_factory=dict)
    means: dict[str, Mean] = field(default_factory=dict)
    samples: int = 0


@torch.no_grad()
def observe(
    model: TracedModel,
    batches: Iterable[tuple[torch.Tensor, ...]],
    progress: Callable[[int], None] = lambda _: None,
) -> Observations:
    """Run `batches` of inputs through the model in floats; `progress` hears how many samples were seen.

    Raises UsageError where there are none, and where a value is NaN or infinite, naming the layer that reads it.
    """
    made, seen = instrument(model.graph, model.layers), Observations()
    for name, probe in made.probes.items():
        seen.observers[name] = Observer()
        probe.watchers.append(seen.observers[name].observe)
    for layer in model.products:
        seen.means[layer.name] = Mean(images=layer.kind != "linear")
        made.slots[layer.input.name].watchers.append(seen.means[layer.name].add)
    for inputs in batches:
        made.graph(*inputs)
        seen.samples += len(inputs[0])
        progress(seen.samples)
    if not seen.samples:
        raise UsageError("no calibration data", "give at least one sample")
    for layer in model.layers:
        _check(layer, seen)
    return seen


def _check(layer: Layer, seen: Observations) -> None:
    for operand in layer.operands:
        count = seen.observers[operand.stored].not_finite
        if count:
            raise UsageError(f"{layer.name} reads {count} values that are NaN or infinite", "look at weights and data")
