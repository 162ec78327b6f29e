"""Layer summaries stand for exactly the layers they were made of."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.models.layer_names import summarize

WORDS = ["0", "1", "2", "01", "9", "10", "11", "conv", "conv1", "conv2", "conv12", "q_lin", "k_lin", "a1b", "a11b"]
PARTS = st.sampled_from(WORDS)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(".".join)


def expanded(summary: str) -> list[str]:
    """Every name a summary stands for."""
    names = []
    for pattern in re.split(", ", summary):
        pieces = re.split(r"\{([^}]*)\}", pattern)
        choices = [choice.split(",") if i % 2 else [choice] for i, choice in enumerate(pieces)]
        names += ["".join(words) for words in product(*map(_counted, choices))]
    return names


def _counted(words: list[str]) -> list[str]:
    if len(words) == 1 and re.fullmatch(r"\d+-\d+", words[0]):
        first, last = map(int, words[0].split("-"))
        return [str(number) for number in range(first, last + 1)]
    return words


@given(st.lists(PATHS, min_size=1, max_size=12, unique=True))
def test_a_summary_stands_for_its_layers_once_each(names: list[str]) -> None:
    assert sorted(expanded(summarize(names))) == sorted(names)


@pytest.mark.parametrize(
    ("names", "summary"),
    [
        (["fc"], "fc"),
        (["fc", "fc"], "fc"),
        (["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "layer1.1.conv2"], "layer1.{0,1}.conv{1,2}"),
        (["layer2.0.conv2", "layer2.1.conv1", "layer2.1.conv2"], "layer2.{0,1}.conv2, layer2.1.conv1"),
        ([f"layer.{i}.{x}_lin" for i in range(12) for x in "qkv"], "layer.{0-11}.{k,q,v}_lin"),
        (["block9", "block10", "block11"], "block{9-11}"),
        (["head", "body"], "{body,head}"),
        (["conv", "conv2"], "conv{,2}"),
        (["a01", "a02", "a03"], "a{01,02,03}"),
        (["a", "b.c"], "a, b.c"),
    ],
)
def test_summaries(names: list[str], summary: str) -> None:
    assert summarize(names) == summary
