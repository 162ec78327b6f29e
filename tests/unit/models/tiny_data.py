"""Data sets and files small enough to make in a test."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from immabench import assets
from immabench.models.datasets import Dataset

IMAGES = np.random.default_rng(5).integers(0, 256, (4, 32, 32, 3), np.uint8)
LABELS = np.array([9, 0, 4, 4], np.uint8)
RECORDS = b"".join(bytes([y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(IMAGES, LABELS, strict=True))
MEMBERS = {"test_batch.bin": RECORDS[:3073], **{f"data_batch_{i}.bin": RECORDS for i in range(1, 6)}}
"""Four images of CIFAR-10, and the files of its binary archive that hold them."""


class Plain(Dataset):
    """Samples whose inputs are their indices."""

    def __init__(self, labels: Sequence[int], identifiers: Sequence[str] | None = None) -> None:
        self.name = "plain"
        self.labels = np.array(labels, np.int64)
        self.identifiers = list(identifiers or map(str, range(len(labels))))

    def inputs(self, indices: Sequence[int]) -> tuple[Any, ...]:
        return (list(indices),)


def save_image(path: Path, width: int, height: int, seed: int = 0) -> np.ndarray:
    """A lossless image of random pixels, uint8 [height, width, 3], which are returned."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def archive(path: Path, members: dict[str, bytes]) -> Path:
    """An archive as the author of CIFAR-10 makes it."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def needs_asset(name: str) -> None:
    """Skip, saying what it would take, where an asset is not here."""
    if assets.state_of(assets.asset_named(name)).status != "present":
        pytest.skip(f"{name} is not in {assets.folder()}: point {assets.VARIABLE} at the weights and data sets")
