"""Name a group of layers: `layer1.{0,1}.conv{1,2}` instead of four module paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations

Pattern = tuple[tuple[str, ...], ...]  # for each dotted part of a path, the alternatives in order of appearance


def summarize(names: Iterable[str]) -> str:
    """A short text that stands for exactly `names`, which are dotted module paths: nothing more, nothing less.

    Paths that differ in one part are put together until none do; what cannot be put together is listed.
    """
    patterns: list[Pattern] = [tuple((part,) for part in name.split(".")) for name in dict.fromkeys(names)]
    while pair := _joinable(patterns):
        first, second = pair
        joined = tuple(a if a == b else a + b for a, b in zip(patterns[first], patterns[second], strict=True))
        patterns[first] = joined
        del patterns[second]
    return ", ".join(".".join(map(_alternatives, pattern)) for pattern in patterns)


def _joinable(patterns: Sequence[Pattern]) -> tuple[int, int] | None:
    """The first two patterns of one length that differ in one part only."""
    for (i, first), (j, second) in combinations(enumerate(patterns), 2):
        if len(first) == len(second) and sum(a != b for a, b in zip(first, second, strict=True)) == 1:
            return i, j
    return None


def _alternatives(words: tuple[str, ...]) -> str:
    """`conv1`, `conv2` as `conv{1,2}`; 0 to 5 as `{0-5}`. A number is never split: 10 and 11 share nothing."""
    if len(words) == 1:
        return words[0]
    tokens = [re.findall(r"\d+|\D", word) for word in words]
    head = _shared(tokens)
    tail = _shared([word[head:][::-1] for word in tokens])
    middles = sorted(("".join(word[head : len(word) - tail]) for word in tokens), key=_number_first)
    start, end = "".join(tokens[0][:head]), "".join(tokens[0][len(tokens[0]) - tail :])
    return f"{start}{{{_listed(middles)}}}{end}"


def _shared(words: Sequence[Sequence[str]]) -> int:
    """How many tokens all words begin with."""
    return next((i for i, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1), min(map(len, words)))


def _number_first(word: str) -> tuple[bool, int, str]:
    """Sort key: nothing, then numbers by value, then words."""
    return (bool(word) and not word.isdigit(), int(word) if word.isdigit() else -1, word)


def _listed(words: Sequence[str]) -> str:
    first = int(words[0]) if words[0].isdigit() else 0
    is_range = len(words) > 2 and all(word == str(first + i) for i, word in enumerate(words))
    return f"{words[0]}-{words[-1]}" if is_range else ",".join(words)
