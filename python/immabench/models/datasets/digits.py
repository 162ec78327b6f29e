"""scikit-learn's handwritten digits: 1797 images of 8x8 pixels (Alpaydin and Kaynak 1998, "Optical Recognition of
Handwritten Digits", UCI). They come with the library, so that nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immabench.models.datasets.dataset import Dataset, Subset, balanced_subset
from immabench.models.torch_compat import require

if TYPE_CHECKING:
    import torch

CLASSES = 10
SIDE = 32
"""Pixels each way after enlarging: the smallest image that the last stage of ResNet-18 sees one pixel of."""

HELD_OUT = 500
"""Images to evaluate with; no model is trained on them."""

BRIGHTEST = 16


class Digits(Dataset):
    """Grey images as three equal channels in [0, 1], enlarged; identifiers are their places in scikit-learn's array."""

    def __init__(self, name: str, images: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        self.name = name
        self.labels = labels
        self.identifiers = [str(i) for i in range(len(labels))]
        self._images = images

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """float32 [len(indices), 3, 32, 32]."""
        import torch

        grey = torch.from_numpy(self._images[list(indices)]).unsqueeze(1)
        large = torch.nn.functional.interpolate(grey, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        return (large.expand(-1, 3, -1, -1).contiguous(),)


def held_out(name: str) -> Dataset:
    """The 500 images to evaluate with, 50 of each digit: a balanced subset, seed 0."""
    chosen = balanced_subset(_all(name), HELD_OUT, seed=0)
    return Subset(_all(name), [int(identifier) for identifier in chosen.identifiers], name)


def trained_on(name: str) -> Dataset:
    """The other 1297, in scikit-learn's order."""
    held = set(held_out(name).identifiers)
    digits = _all(name)
    return Subset(digits, [i for i in range(len(digits)) if digits.identifiers[i] not in held], name)


@cache
def _all(name: str) -> Digits:
    data = require("sklearn.datasets").load_digits()
    return Digits(name, (data.images / BRIGHTEST).astype(np.float32), data.target.astype(np.int64))
