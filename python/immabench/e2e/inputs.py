"""Batches to time: real samples of the evaluation data, several sets of them, so that no run repeats the last one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from immabench.errors import UsageError
from immabench.models.datasets import Dataset

if TYPE_CHECKING:
    import torch

DEFAULT_LENGTH = 128
MOST_SETS = 8
SET_SAMPLES = 256
"""About how many samples are read for all sets together: images are decoded."""

Inputs = tuple["torch.Tensor", ...]


def chosen_length(dimensions: Sequence[Mapping[int, str]], asked: int | None) -> int | None:
    """Tokens of each sample, None for a model that takes images. Raises UsageError where --length says nothing."""
    takes_tokens = "length" in dimensions[0].values()
    if asked is not None and not takes_tokens:
        raise UsageError("the model takes images, which have no length", "leave out --length")
    return (asked or DEFAULT_LENGTH) if takes_tokens else None


def input_sets(data: Dataset, batch: int, length: int | None) -> list[Inputs]:
    """Two to `MOST_SETS` batches of different samples; those of small data sets come again."""
    count = max(2, min(MOST_SETS, SET_SAMPLES // batch))
    starts = range(0, count * batch, batch)
    return [_batch(data, start, batch) if length is None else _rows(data, start, batch, length) for start in starts]


def _batch(data: Dataset, start: int, batch: int) -> Inputs:
    return data.inputs([(start + i) % len(data) for i in range(batch)])


def _rows(data: Dataset, start: int, batch: int, length: int) -> Inputs:
    """Tokens and mask, int64 [batch, length]: real sentences one after the other, nothing padded, cut at the end."""
    import torch

    tokens: list[int] = []
    place = start
    while len(tokens) < batch * length:
        ids, mask = data.inputs([place % len(data)])
        tokens += ids[mask.bool()].tolist()
        place += 1
    rows = torch.tensor(tokens[: batch * length], dtype=torch.int64).reshape(batch, length)
    return rows, torch.ones_like(rows)
