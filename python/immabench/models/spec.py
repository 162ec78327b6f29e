"""What a model must say about itself to be traced into a suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Model:
    """A model of the registry. Importing one is cheap: torch and its own library load when `build` is called."""

    name: str
    description: str
    source: str
    """Where the architecture and its sizes come from, in one line."""
    libraries: tuple[str, ...]
    """Packages that `build` needs beside torch."""
    build: Callable[[], torch.nn.Module]
    """The model in evaluation mode with random weights, on torch's default device."""
    example: Callable[[tuple[int, ...]], torch.Tensor]
    """An input of the given shape, on torch's default device."""
    variants: Mapping[str, tuple[int, ...]]
    """What to trace: a short label and the input's shape."""
    options: Mapping[str, str | bool]
    """`[defaults]` of the suite: `output_type`, `row_scale`, `col_scale` and `bias` of a layer with weights."""
    folds_batch_norm: bool = False
    """Whether a batch normalisation follows each convolution; folded into its weights it leaves a bias."""
    keeps_convolutions: bool = False
    """Whether convolutions stay what they are, instead of products of matrices of the same size."""
    notes: tuple[str, ...] = ()
    """Lines for the head of the suite file."""
