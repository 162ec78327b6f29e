"""A trained model small enough for a test: random weights, random images, and labels that fp32 mostly gets right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from immabench.models.datasets import Dataset
from immabench.models.trained import TrainedModel

CLASSES, WRONG = 6, 8


class Toy(nn.Module):
    """Two convolutions, one with a residual, a pooling and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc = nn.Linear(32, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.conv1(images).relu()
        hidden = (self.conv2(hidden) + hidden).relu()
        return self.fc(hidden.mean((2, 3)))


class Images(Dataset):
    """Random images of a seed."""

    def __init__(self, name: str, count: int, seed: int, labels: Sequence[int] | None = None) -> None:
        self.name = name
        self._images = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        self.labels = np.array([i % CLASSES for i in range(count)] if labels is None else labels, np.int64)
        self.identifiers = [f"{name}{i}" for i in range(count)]

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        return (self._images[list(indices)],)


def toy_module() -> Toy:
    """The same weights each time; no class has an advantage, so that small changes decide."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        module = Toy().eval()
        module.fc.bias -= module(torch.randn(256, 3, 8, 8)).mean(0)
    return module


def toy(count: int = 60) -> TrainedModel:
    """A model of which fp32 gets all but `WRONG` of `count` evaluation samples right."""
    with torch.no_grad():
        best = toy_module()(*Images("seen", count, 1).inputs(range(count))).argmax(1).tolist()
    labels = [(label + 1) % CLASSES if place < WRONG else label for place, label in enumerate(best)]
    return TrainedModel(
        name="toy",
        title="Toy",
        recipes="resnet18",
        weights="",
        evaluation_data="toys",
        calibration_data="toys too",
        watermark="made of random numbers",
        batch=16,
        load=toy_module,
        evaluation=lambda: Images("seen", count, 1, labels),
        calibration=lambda: Images("other", 300, 2),
        dimensions=({0: "batch"},),
    )
