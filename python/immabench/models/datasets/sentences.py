"""Sentences with labels: SST-2 (Socher et al. 2013) as GLUE stores it, in the WordPieces of BERT."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError
from immabench.models.datasets.dataset import Dataset
from immabench.models.datasets.tables import integer_labels, parse_table, read_bytes
from immabench.models.torch_compat import require

if TYPE_CHECKING:
    import torch

CLASSES = 2
MAX_LENGTH = 128
"""Tokens of a sentence: longer ones are cut, as in the fine-tuning of the models."""

PAD_MULTIPLE = 8
"""Batches are padded to a multiple of this, so that lengths, and with them shapes of kernels, are few."""

MEMBERS = {False: "SST-2/dev.tsv", True: "SST-2/train.tsv"}
"""Tables of GLUE's archive: to evaluate, to train."""


class Sentences(Dataset):
    """Sentences, tokenized when asked for; identifiers are their places in the file."""

    def __init__(self, name: str, sentences: Sequence[str], labels: NDArray[np.int64], tokenizer: Any) -> None:
        self.name = name
        self.labels = labels
        self.identifiers = [str(i) for i in range(len(labels))]
        self._sentences = sentences
        self._tokenizer = tokenizer

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """Token ids and attention mask, int64 [len(indices), length]; length is the longest's, rounded up to 8."""
        import torch

        rows = [encoding.ids for encoding in self._tokenizer.encode_batch([self._sentences[i] for i in indices])]
        length = -(-max(map(len, rows)) // PAD_MULTIPLE) * PAD_MULTIPLE
        ids = torch.zeros(len(rows), length, dtype=torch.int64)  # 0 is BERT's [PAD]
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        return ids, mask


def read_sentences(name: str, path: Path, vocabulary: Path, training: bool) -> Dataset:
    """`path`: a table of `sentence` and `label`, separated by tabs, or GLUE's `SST-2.zip`, of which `training` chooses
    the table to train or to evaluate. `vocabulary`: the model's `vocab.txt`.

    Raises UsageError, naming file and line, for other columns, labels that are no class, or no samples.
    """
    content = _member(path, MEMBERS[training]) if path.suffix == ".zip" else read_bytes(path)
    sentences, labels = zip(*parse_table(content, path, ("sentence", "label"), "\t"), strict=True)
    return Sentences(name, sentences, integer_labels(labels, CLASSES, path), _tokenizer(vocabulary))


def _member(path: Path, name: str) -> bytes:
    """A file of a zip archive, read where it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path}: {name} cannot be read ({error})", "fetch it again, or give a .tsv") from None


def _tokenizer(vocabulary: Path) -> Any:
    """Lower case, BERT's WordPieces, [CLS] and [SEP] around, no padding: what `DistilBertTokenizer` does."""
    tokenizers = require("tokenizers")
    try:
        tokenizer = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    except Exception as error:  # noqa: BLE001 - its extension module raises nothing narrower
        raise UsageError(f"{vocabulary} is no vocabulary ({error})", "give BERT's vocab.txt, a token a line") from None
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer
