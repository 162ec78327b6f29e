"""Folders of images: with a `labels.csv`, or a folder a class. Decoded when asked for, never encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError
from immabench.models.datasets.dataset import Dataset
from immabench.models.datasets.tables import integer_labels, parse_table, read_bytes
from immabench.models.torch_compat import require

if TYPE_CHECKING:
    import torch
    from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]: torchvision's presets (`torchvision/transforms/_presets.py`)."""

SUFFIXES = (".jpg", ".jpeg", ".png")

LABELS = "labels.csv"
"""Beside a folder `images`: columns `file` and `label`."""


@dataclass(frozen=True)
class Preparation:
    """From an image file to what a model takes: `crop` pixels each way from the middle, of an image whose shorter side
    is made `resize` first where it is longer.

    Nothing is enlarged, so that images stored at their final size are cropped alone. That is torchvision's preset, with
    two differences: it enlarges images whose shorter side is between `crop` and `resize`, and it rounds half a pixel
    of an offset to even where here it is left out (1 of 227 to 224, not 2).
    """

    crop: int
    resize: int


IMAGENET = Preparation(crop=224, resize=256)
"""torchvision's preset of ResNets (`ImageClassification`)."""

CIFAR = Preparation(crop=32, resize=32)


class ImageFolder(Dataset):
    """Images as files, which `identifiers` name from `root` on."""

    def __init__(
        self, name: str, root: Path, files: Sequence[str], labels: NDArray[np.int64], preparation: Preparation
    ) -> None:
        self.name = name
        self.identifiers = files
        self.labels = labels
        self._root = root
        self._preparation = preparation

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """float32 [len(indices), 3, crop, crop], normalised."""
        pixels = [_pixels(self._root / self.identifiers[i], self._preparation) for i in indices]
        return (normalised(np.stack(pixels)),)


def read_image_folder(name: str, folder: Path, classes: int, preparation: Preparation) -> Dataset:
    """The images of `folder`: those its `labels.csv` names in its folder `images`, in that order; without one, those
    of its folders, one a class, in the order of their names, as torchvision's `ImageFolder` numbers them.

    Raises UsageError for a folder without images, for labels that are no class, and for files that are not there.
    """
    if (folder / LABELS).is_file():
        return _listed(name, folder, classes, preparation)
    return _by_class(name, folder, classes, preparation)


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 [n, height, width, 3] to float32 [n, 3, height, width]: in [0, 1], less the mean, by the deviation."""
    import torch

    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float().div_(255)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return images.sub_(mean).div_(std)


def _listed(name: str, folder: Path, classes: int, preparation: Preparation) -> Dataset:
    table = folder / LABELS
    files, texts = zip(*parse_table(read_bytes(table), table, ("file", "label"), ","), strict=True)
    seen: set[str] = set()
    for file in files:
        if not (folder / "images" / file).is_file():
            raise UsageError(f"{table} names {file}, which is not in images/", "leave it out or put it there")
        if file in seen:
            raise UsageError(f"{table} names {file} twice", "give each image one label")
        seen.add(file)
    return ImageFolder(name, folder / "images", files, integer_labels(texts, classes, table), preparation)


def _by_class(name: str, folder: Path, classes: int, preparation: Preparation) -> Dataset:
    folders = sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    if not folders:
        raise UsageError(f"{folder} holds no images", f"give {LABELS} beside images/, or a folder a class")
    if len(folders) != classes:
        raise UsageError(
            f"{folder} has {len(folders)} folders, the model {classes} classes",
            f"give a folder a class, empty ones too, or {LABELS} beside images/",
        )
    samples = [(file, label) for label, one in enumerate(folders) for file in _images_of(folder, one)]
    if not samples:
        raise UsageError(f"the folders of {folder} hold no images", f"images end in {', '.join(SUFFIXES)}")
    files, labels = zip(*samples, strict=True)
    return ImageFolder(name, folder, files, np.array(labels, np.int64), preparation)


def _images_of(folder: Path, one: str) -> list[str]:
    names = sorted(file.name for file in (folder / one).iterdir() if file.suffix.lower() in SUFFIXES)
    return [f"{one}/{name}" for name in names]


def _pixels(path: Path, preparation: Preparation) -> NDArray[np.uint8]:
    """uint8 [crop, crop, 3]."""
    require("PIL")
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(_cropped(image.convert("RGB"), preparation, path))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} cannot be read as an image ({error})", "replace it or leave it out") from None


def _cropped(image: Image.Image, preparation: Preparation, path: Path) -> Image.Image:
    """The longer side is rounded down, as torchvision's `Resize` does, and so are offsets."""
    from PIL import Image

    shorter, crop = min(image.size), preparation.crop
    if shorter < crop:
        raise UsageError(f"{path} is {image.width}x{image.height} pixels", f"the model takes {crop}x{crop} or larger")
    if shorter > preparation.resize:
        width, height = (preparation.resize * side // shorter for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = ((side - crop) // 2 for side in image.size)
    return image.crop((left, top, left + crop, top + crop))
