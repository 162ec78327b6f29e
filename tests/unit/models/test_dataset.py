"""Batches, digests, and subsets that are balanced and the same in whatever order files were listed."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_data import Plain

from immabench.errors import UsageError
from immabench.models.datasets import balanced_subset, batches

labels = st.lists(st.integers(0, 5), min_size=1, max_size=60)


def picked(dataset: Plain, count: int, seed: int) -> list[tuple[str, int]]:
    subset = balanced_subset(dataset, count, seed)
    return list(zip(subset.identifiers, subset.labels.tolist(), strict=True))


@given(labels, st.data())
def test_classes_differ_by_one_at_most_where_they_have_enough(given_labels: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(given_labels)))
    there = Counter(given_labels)
    taken = Counter(label for _, label in picked(Plain(given_labels), count, seed=3))
    assert taken.total() == count
    most = max(taken.values())
    assert all(taken[label] >= min(most - 1, there[label]) for label in there)


@given(labels, st.integers(0, 9), st.randoms())
def test_the_order_of_files_changes_nothing(given_labels: list[int], seed: int, random: object) -> None:
    order = list(range(len(given_labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = Plain([given_labels[i] for i in order], [str(i) for i in order])
    count = (len(given_labels) + 1) // 2
    assert picked(shuffled, count, seed) == picked(Plain(given_labels), count, seed)


@given(labels, st.integers(0, 9))
def test_nothing_is_taken_twice_and_fewer_are_the_head_of_more(given_labels: list[int], seed: int) -> None:
    dataset = Plain(given_labels)
    whole = picked(dataset, len(dataset), seed)
    assert sorted(whole) == sorted((str(i), label) for i, label in enumerate(given_labels))
    for count in range(1, len(dataset)):
        assert picked(dataset, count, seed) == whole[:count]


def test_another_seed_is_another_subset() -> None:
    dataset = Plain([0, 1] * 50)
    assert picked(dataset, 10, seed=0) == picked(dataset, 10, seed=0) != picked(dataset, 10, seed=1)


def test_the_order_is_that_of_the_hashes_in_the_definition() -> None:
    """Written out, so that another machine or version cannot draw others: two classes of three samples, seed 7."""
    dataset = Plain([0, 0, 0, 1, 1, 1], list("abcdef"))

    def ordered(words: str) -> list[str]:
        return sorted(words, key=lambda word: sha256(f"7:{word}".encode()).hexdigest())

    first, second = (ordered("abc" if label == "0" else "def") for label in ordered("01"))
    expected = [word for pair in zip(first, second, strict=True) for word in pair]
    assert list(balanced_subset(dataset, 6, seed=7).identifiers) == expected


def test_a_subset_gives_the_inputs_of_its_samples() -> None:
    dataset = Plain([0, 1, 0, 1])
    subset = balanced_subset(dataset, 3, seed=0)
    (taken,) = subset.inputs([2, 0])
    assert [dataset.identifiers[i] for i in taken] == [subset.identifiers[2], subset.identifiers[0]]


@pytest.mark.parametrize("count", [0, -1])
def test_no_samples_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=r"asked of plain; calibration needs at least one sample"):
        balanced_subset(Plain([0]), count, seed=0)


def test_more_samples_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"plain has 2 samples, not 3"):
        balanced_subset(Plain([0, 1]), 3, seed=0)
    with pytest.raises(UsageError, match=r"plain has 0 samples, not 1"):
        balanced_subset(Plain([]), 1, seed=0)


def test_batches_are_in_order_and_the_last_may_be_short() -> None:
    found = [(inputs[0], labels.tolist()) for inputs, labels in batches(Plain([3, 1, 2, 0, 5]), 2)]
    assert found == [([0, 1], [3, 1]), ([2, 3], [2, 0]), ([4], [5])]
    with pytest.raises(UsageError, match="a batch of 0 samples"):
        next(batches(Plain([0]), 0))


def test_the_digest_is_of_identifiers_and_labels_in_order() -> None:
    assert Plain([1, 0], ["a", "b"]).digest == sha256(b"a 1\nb 0\n").hexdigest()
    digests = {Plain(*one).digest for one in (([1, 0], "ab"), ([0, 1], "ab"), ([1, 0], "ba"), ([0, 1], "ba"))}
    assert len(digests) == 4


def test_labels_are_int64() -> None:
    assert balanced_subset(Plain([0, 1]), 2, seed=0).labels.dtype == np.int64
