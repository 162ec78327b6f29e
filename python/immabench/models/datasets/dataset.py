"""What a data set is, batches of it, and subsets that are the same on every machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError

if TYPE_CHECKING:
    import torch


class Dataset(ABC):
    """Samples with labels, in one order."""

    name: str
    """What figures say they are of."""
    labels: NDArray[np.int64]
    """[n]: the class of each sample."""
    identifiers: Sequence[str]
    """[n]: of each sample, unique and the same wherever the data lies. What subsets are drawn by."""

    @abstractmethod
    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """The model's positional inputs for these samples, each [len(indices), ...].

        Raises UsageError, naming the file, for a sample that cannot be read.
        """

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """Which data a figure is of: SHA-256 in hexadecimal over lines `identifier label`, in order."""
        pairs = zip(self.identifiers, self.labels, strict=True)
        return sha256("".join(f"{identifier} {label}\n" for identifier, label in pairs).encode()).hexdigest()


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int], name: str) -> None:
        self.name = name
        self.labels = dataset.labels[list(indices)]
        self.identifiers = [dataset.identifiers[i] for i in indices]
        self._dataset = dataset
        self._indices = indices

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        return self._dataset.inputs([self._indices[i] for i in indices])


def batches(dataset: Dataset, size: int) -> Iterator[tuple[tuple[torch.Tensor, ...], NDArray[np.int64]]]:
    """Inputs and labels of `size` samples at a time, in order; the last batch may be short.

    Raises UsageError for a size below one.
    """
    if size < 1:
        raise UsageError(f"a batch of {size} samples", "give at least one")
    for start in range(0, len(dataset), size):
        indices = range(start, min(start + size, len(dataset)))
        yield dataset.inputs(indices), dataset.labels[start : start + size]


def balanced_subset(dataset: Dataset, count: int, seed: int) -> Dataset:
    """`count` samples, one class after the other in turn, so that classes differ by one at most where they have enough.

    Within a class samples come in the order of the SHA-256 of `seed:identifier`, classes in that of `seed:label`:
    the same count, seed and data give the same samples in the same order on every machine, however files were listed.
    So a subset of fewer samples is the head of one of more. Raises UsageError where there are not `count` samples, or
    none is asked for.
    """
    if count < 1:
        raise UsageError(f"{count} samples asked of {dataset.name}", "calibration needs at least one sample")
    if count > len(dataset):
        raise UsageError(f"{dataset.name} has {len(dataset)} samples, not {count}", "ask for that many or fewer")
    indices = _in_turn(dataset, seed)[:count]
    return Subset(dataset, indices, f"{dataset.name}, {count} balanced by class, seed {seed}")


def _in_turn(dataset: Dataset, seed: int) -> list[int]:
    """All samples: the first of every class, then the second of those that have one, and so on."""
    order = sorted(range(len(dataset)), key=lambda i: _place(seed, dataset.identifiers[i]))
    by_class: dict[int, list[int]] = {}
    for i in order:
        by_class.setdefault(int(dataset.labels[i]), []).append(i)
    classes = sorted(by_class, key=lambda label: _place(seed, label))
    rounds = max(map(len, by_class.values()), default=0)
    return [by_class[label][turn] for turn in range(rounds) for label in classes if turn < len(by_class[label])]


def _place(seed: int, what: str | int) -> str:
    return sha256(f"{seed}:{what}".encode()).hexdigest()
