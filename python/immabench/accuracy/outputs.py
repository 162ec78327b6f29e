"""A model's outputs over a data set, and how far two models' are from each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from immabench.errors import ImmabenchError, UsageError
from immabench.models.datasets import Dataset, batches

Logits = NDArray[np.float32]
"""[samples, classes]."""

Progress = Callable[[str, int, int], None]
"""What is being done, how many samples of how many."""


def silent(what: str, done: int, total: int) -> None:
    """No progress."""


def outputs(
    model: Callable[..., torch.Tensor], data: Dataset, batch: int, progress: Progress = silent, what: str = "evaluating"
) -> Logits:
    """The logits of every sample, in the data's order, float32 [n, classes].

    Raises UsageError for inputs that the model does not take and labels it does not have, ImmabenchError for NaN.
    """
    found = []
    for inputs, _ in batches(data, batch):
        found.append(_forward(model, inputs, data).float().numpy())
        progress(what, sum(map(len, found)), len(data))
    logits = np.concatenate(found)
    if np.isnan(logits).any():
        raise ImmabenchError(
            f"logits of {data.name} are NaN", "look at the weights, or take a recipe with wider ranges"
        )
    if int(data.labels.max()) >= logits.shape[1]:
        raise UsageError(
            f"{data.name} has label {data.labels.max()}, but the model has {logits.shape[1]} classes",
            "give the data that the model was trained for",
        )
    return logits


def correct(logits: Logits, labels: NDArray[np.int64], among: int = 1) -> NDArray[np.bool_]:
    """Whether each label is among the so many greatest logits, [n]; of equal ones the lower classes come first."""
    own = logits[np.arange(len(labels)), labels][:, None]
    classes = np.arange(logits.shape[1])
    before = (logits > own) | ((logits == own) & (classes < labels[:, None]))
    found: NDArray[np.bool_] = before.sum(axis=1) < among
    return found


def sqnr_db(logits: Logits, reference: Logits) -> float | None:
    """10 log10 of the reference's energy over that of the difference; None where there is no difference."""
    noise = float(np.square(logits.astype(np.float64) - reference).sum())
    return 10 * float(np.log10(np.square(reference.astype(np.float64)).sum() / noise)) if noise else None


def kl_divergence(logits: Logits, reference: Logits) -> float:
    """Of the reference's softmax from the model's, in nats, the mean over samples; at least 0."""
    ours, theirs = (torch.log_softmax(torch.from_numpy(one).double(), dim=1) for one in (logits, reference))
    return max(0.0, float((theirs.exp() * (theirs - ours)).sum(1).mean()))


def _forward(model: Callable[..., torch.Tensor], inputs: tuple[torch.Tensor, ...], data: Dataset) -> torch.Tensor:
    try:
        with torch.no_grad():
            return model(*inputs)
    except (RuntimeError, AssertionError) as error:
        shapes = ", ".join(str(list(one.shape)) for one in inputs)
        first = str(error).strip().split("\n")[0]
        raise UsageError(
            f"the model does not take {shapes} of {data.name} ({first})", "give data of its size"
        ) from error
