"""Sentences of SST-2: tokens as DistilBERT's tokenizer has them, padding, and other files in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("tokenizers", reason="sentences are read by tokenizers: pip install 'immabench[models]'")

from tiny_data import needs_asset  # noqa: E402

from immabench import assets  # noqa: E402
from immabench.errors import UsageError  # noqa: E402
from immabench.models.datasets.sentences import read_sentences  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "film", "##s", "!"]
TABLE = 'sentence\tlabel\nA good films! \t1\n"film\t0\n'


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path / "vocab.txt"


def table(folder: Path, text: str) -> Path:
    (folder / "dev.tsv").write_bytes(text.encode())
    return folder / "dev.tsv"


def test_tokens_are_padded_to_a_multiple_of_eight(tmp_path: Path, vocabulary: Path) -> None:
    dataset = read_sentences("x", table(tmp_path, TABLE), vocabulary, training=False)
    assert (dataset.labels.tolist(), list(dataset.identifiers)) == ([1, 0], ["0", "1"])
    ids, mask = dataset.inputs([0, 1])
    assert ids.dtype == mask.dtype == torch.int64
    assert ids.tolist() == [[2, 5, 6, 7, 8, 9, 3, 0], [2, 1, 7, 3, 0, 0, 0, 0]], "quotes are text"
    assert mask.tolist() == [[1] * 7 + [0], [1] * 4 + [0] * 4]


@pytest.mark.parametrize(("words", "length"), [(6, 8), (7, 16), (126, 128), (500, 128)])
def test_long_sentences_are_cut(tmp_path: Path, vocabulary: Path, words: int, length: int) -> None:
    dataset = read_sentences("x", table(tmp_path, f"sentence\tlabel\n{'a ' * words}\t1\n"), vocabulary, training=False)
    ids, mask = dataset.inputs([0])
    assert tuple(ids.shape) == (1, length)
    assert int(mask.sum()) == min(words + 2, 128)
    assert ids[0, int(mask.sum()) - 1] == WORDS.index("[SEP]")


def test_glues_archive_holds_both_tables(tmp_path: Path, vocabulary: Path) -> None:
    with zipfile.ZipFile(tmp_path / "SST-2.zip", "w") as archive:
        archive.writestr("SST-2/dev.tsv", TABLE)
        archive.writestr("SST-2/train.tsv", TABLE.replace("\t0", "\t1"))
    labels = [read_sentences("x", tmp_path / "SST-2.zip", vocabulary, t).labels.tolist() for t in (False, True)]
    assert labels == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text\tlabel\na\t1\n", r"dev.tsv has no column sentence; its first line names sentence and label"),
        ("sentence,label\na,1\n", r"dev.tsv has no column sentence"),
        ("sentence\tlabel\n", r"dev.tsv holds no samples"),
        ("sentence\tlabel\na\t1\nb\n", r"dev.tsv, line 3: 1 fields, not 2"),
        ("sentence\tlabel\na\t2\n", r"dev.tsv, line 2: label '2' is no class; classes are 0 to 1"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path: Path, vocabulary: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_sentences("x", table(tmp_path, text), vocabulary, training=False)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, vocabulary: Path) -> None:
    with pytest.raises(UsageError, match=r"absent.tsv cannot be read \(No such file"):
        read_sentences("x", tmp_path / "absent.tsv", vocabulary, training=False)
    (tmp_path / "dev.tsv").write_bytes(b"sentence\tlabel\n\xff\t1\n")
    with pytest.raises(UsageError, match=r"dev.tsv is no UTF-8 text"):
        read_sentences("x", tmp_path / "dev.tsv", vocabulary, training=False)
    (tmp_path / "SST-2.zip").write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"SST-2.zip: SST-2/dev.tsv cannot be read .*fetch it again"):
        read_sentences("x", tmp_path / "SST-2.zip", vocabulary, training=False)
    with pytest.raises(UsageError, match=r"absent.txt is no vocabulary .*give BERT's vocab.txt"):
        read_sentences("x", table(tmp_path, TABLE), tmp_path / "absent.txt", training=False)


def test_tokens_are_those_of_the_models_own_tokenizer() -> None:
    """`tokenizer.json` of the asset, its padding off, for every sentence to evaluate with."""
    needs_asset("distilbert-sst2")
    needs_asset("sst2")
    from tokenizers import Tokenizer

    model, data = assets.folder() / "distilbert-sst2", assets.folder() / "sst2" / "dev600.tsv"
    dataset = read_sentences("x", data, model / "vocab.txt", training=False)
    theirs = Tokenizer.from_file(str(model / "tokenizer.json"))
    theirs.no_padding()
    ids, mask = dataset.inputs(range(len(dataset)))
    lines = data.read_text(encoding="utf-8").splitlines()[1:]
    expected = [encoding.ids for encoding in theirs.encode_batch([line.rpartition("\t")[0] for line in lines])]
    assert [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)] == expected
