"""DistilBERT base with a two-class head (Sanh et al. 2019, "DistilBERT"), as transformers builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immabench.models.spec import Model
from immabench.models.torch_compat import import_transformers

if TYPE_CHECKING:
    import torch

SIZES = {"dim": 768, "n_heads": 12, "hidden_dim": 3072, "n_layers": 6}
"""distilbert-base-uncased, spelled out so that a new default of the library cannot change the suite."""

BATCH_AND_LENGTH = ((1, 32), (1, 128), (8, 128), (32, 128))


def build() -> torch.nn.Module:
    """DistilBERT for sequence classification with random weights, in evaluation mode. Nothing is downloaded."""
    import_transformers()
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    config = DistilBertConfig(**SIZES, num_labels=2, attn_implementation="sdpa")
    model: torch.nn.Module = DistilBertForSequenceClassification(config)
    return model.eval()


def tokens(shape: tuple[int, ...]) -> torch.Tensor:
    """int64 token ids [batch, length]."""
    import torch

    return torch.ones(shape, dtype=torch.long)


MODEL = Model(
    name="distilbert",
    description="DistilBERT base, sequence classification: linear layers and attention at four batch sizes and lengths",
    source="traced: transformers DistilBertForSequenceClassification, distilbert-base dimensions",
    libraries=("transformers",),
    build=build,
    example=tokens,
    variants={f"b{batch}s{length}": (batch, length) for batch, length in BATCH_AND_LENGTH},
    options={"output_type": "f16", "row_scale": "vector", "col_scale": "vector", "bias": True},
    notes=(
        "Activations have one scale a token, weights one an output channel. Attention has no weights: qk = Q K^T and",
        "pv = P V are batched products: batch = 96 is 12 heads of 8 sequences.",
        "Names: b8s128/ is batch 8 at 128 tokens, and {0-5} stands for all six layers.",
    ),
)
