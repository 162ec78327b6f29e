"""CIFAR-10 (Krizhevsky 2009): images of 32x32 pixels in arrays, or in the archive its author publishes."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError
from immabench.models.datasets.dataset import Dataset
from immabench.models.datasets.images import CIFAR, normalised, read_image_folder
from immabench.models.datasets.tables import checked_labels

if TYPE_CHECKING:
    import torch

CLASSES = 10
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
"""Bytes of an image in the binary archive: its label, then red, green and blue, each row by row."""

FOLDER = "cifar-10-batches-bin"
MEMBERS = {False: ("test_batch.bin",), True: tuple(f"data_batch_{i}.bin" for i in range(1, 6))}
"""Files of the binary archive: of the test images, of the training images."""


class ImageArray(Dataset):
    """Images in memory, uint8 [n, 32, 32, 3]; identifiers are their places in the file."""

    def __init__(self, name: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.name = name
        self.labels = labels
        self.identifiers = [str(i) for i in range(len(labels))]
        self._images = images

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """float32 [len(indices), 3, 32, 32], normalised as the models were trained: by ImageNet's values."""
        return (normalised(self._images[list(indices)]),)


def read_cifar(name: str, path: Path, training: bool) -> Dataset:
    """`path`: an `.npz` of `images` and `labels`; the author's `cifar-10-binary.tar.gz`, of which `training` chooses
    the images to train or to test; or a folder of images (`read_image_folder`).

    Raises UsageError, naming the file, for anything else.
    """
    if path.is_dir():
        return read_image_folder(name, path, CLASSES, CIFAR)
    if path.suffix == ".npz":
        return _from_arrays(name, path)
    if path.name.endswith((".tar.gz", ".tgz")):
        return _from_archive(name, path, training)
    raise UsageError(f"{path} is no CIFAR-10", "give an .npz of images and labels, cifar-10-binary.tar.gz, or a folder")


def _from_arrays(name: str, path: Path) -> Dataset:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} cannot be read ({error})", "give an .npz with the arrays images and labels") from None
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3) or not len(images):
        found = f"{images.dtype}{list(images.shape)}"
        raise UsageError(f"{path}: images are {found}", f"give uint8[n, {SIDE}, {SIDE}, 3]")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        found = f"{labels.dtype}{list(labels.shape)}"
        raise UsageError(f"{path}: labels are {found}", f"give integers[{len(images)}], one an image")
    return ImageArray(name, images, checked_labels(labels, CLASSES, path))


def _from_archive(name: str, path: Path, training: bool) -> Dataset:
    """The binary version alone: that for Python is pickled, and reading it would run what it holds."""
    content = b"".join(_members(path, [f"{FOLDER}/{member}" for member in MEMBERS[training]]))
    if not content or len(content) % RECORD:
        raise UsageError(f"{path}: {len(content)} bytes are not records of {RECORD}", "fetch the archive again")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return ImageArray(name, images, checked_labels(records[:, 0], CLASSES, path))


def _members(path: Path, names: Sequence[str]) -> list[bytes]:
    """Files of an archive, read where they are: nothing is extracted."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name in names and (stream := archive.extractfile(member)):
                    found[member.name] = stream.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read ({error})", "fetch the archive again") from None
    absent = [name for name in names if name not in found]
    if absent:
        raise UsageError(f"{path} holds no {absent[0]}", "give the binary version, cifar-10-binary.tar.gz")
    return [found[name] for name in names]
