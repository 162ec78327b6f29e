"""DistilBERT base with a two-class head (Sanh et al. 2019, "DistilBERT"), as transformers builds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.errors import UsageError
from immabench.models.spec import Model
from immabench.models.torch_compat import import_transformers

if TYPE_CHECKING:
    import torch

SIZES = {"dim": 768, "n_heads": 12, "hidden_dim": 3072, "n_layers": 6}
"""distilbert-base-uncased, spelled out so that a new default of the library cannot change the suite."""

_MORE_SETTINGS = ("activation", "id2label", "max_position_embeddings", "sinusoidal_pos_embds", "vocab_size")
"""What else of a `config.json` decides what the model computes."""

BATCH_AND_LENGTH = ((1, 32), (1, 128), (8, 128), (32, 128))


def build() -> torch.nn.Module:
    """DistilBERT for sequence classification with random weights, in evaluation mode. Nothing is downloaded."""
    return _classifier({**SIZES, "num_labels": 2})


def build_from(config: Path) -> torch.nn.Module:
    """The same of the sizes a `config.json` states. Raises UsageError, naming the file, where it states none."""
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
        return _classifier({key: settings[key] for key in (*SIZES, *_MORE_SETTINGS)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise UsageError(f"{config} is no configuration of DistilBERT ({why})", "fetch it again") from None


def _classifier(settings: dict[str, Any]) -> torch.nn.Module:
    """Token ids and attention mask, int64 [n, length], to logits [n, 2]; parameters are named as transformers does."""
    import_transformers()
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    class Classifier(DistilBertForSequenceClassification):
        """Tensors in, one tensor out: what is traced, quantized and exported is no dictionary."""

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
            logits: torch.Tensor = super().forward(input_ids, attention_mask).logits
            return logits

    model: torch.nn.Module = Classifier(DistilBertConfig(**settings, attn_implementation="sdpa"))
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
