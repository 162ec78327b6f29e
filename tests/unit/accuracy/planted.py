"""A trained model in miniature, one layer of which a recipe with one scale a weight ruins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import nn

from immabench.models.datasets import Dataset
from immabench.models.trained import TrainedModel
from immabench.quantize.recipes import Recipe

torch.set_num_threads(1)  # small products: threads would cost more than they save

BAD = "bad"
LAYERS = ["first", BAD, "last", "classes"]
WATERMARK = "made of random numbers"

RECIPE = Recipe.model_validate(
    {
        "name": "w8a8-tensor",
        "weights": {"granularity": "tensor"},
        "activations": {"calibrator": "minmax", "residuals": True},
        "calibration": {"samples": 16},
    }
)


class Net(nn.Module):
    """Three convolutions and a linear layer. Channel 0 of `bad` has weights a thousand times as large as the others,
    and is 0 for any image: with one scale for all weights the other channels' become 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.bad = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classes = nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classes(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        values = self.bad(torch.relu(self.first(images))).relu()
        return self.pool(self.last(values).relu()).flatten(1)


class Images(Dataset):
    """Random images of 8x8, labelled as `net` labels them."""

    def __init__(self, name: str, seed: int, count: int) -> None:
        self.name = name
        self.images = _images(seed, count)
        with torch.no_grad():
            self.labels = net()(self.images).argmax(1).numpy().astype(np.int64)
        self.identifiers = [f"{name} {place}" for place in range(count)]

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        return (self.images[list(indices)],)


@cache
def net() -> Net:
    """The model, always the same: classes are about what an image has more of than most."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        made = Net().eval()
        made.bad.weight[0] *= 1000
        made.bad.bias[0] = -1e6
        made.classes.weight.mul_(40)
        made.classes.bias.copy_(-made.classes.weight @ made.features(_images(0, 64)).mean(0))
    return made


def planted() -> TrainedModel:
    """It, with 64 samples to calibrate and 32 to evaluate with."""
    return TrainedModel(
        name="planted",
        title="Planted",
        recipes="planted",
        weights="",
        evaluation_data="new",
        calibration_data="old",
        watermark=WATERMARK,
        batch=16,
        load=net,
        evaluation=lambda: Images("new", 1, 32),
        calibration=lambda: Images("old", 2, 64),
        dimensions=({0: "batch"},),
    )


def _images(seed: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randn((count, 3, 1, 1), generator=generator)
    return colours + 0.5 * torch.randn((count, 3, 8, 8), generator=generator)
