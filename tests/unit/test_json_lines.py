"""Files of one document a line, whatever tears them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench import json_lines
from immabench.json_lines import append_line, drop_torn_line, whole_lines

LINES = st.lists(st.text(st.characters(exclude_characters="\r\n\x85", codec="utf-8"), max_size=20), max_size=6)


@given(lines=LINES, cut=st.integers(0, 40))
def test_what_was_whole_before_a_cut_is_there_after_it(
    lines: list[str], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.touch()
    for line in lines:
        append_line(path, line)
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    whole = list(whole_lines(path))
    drop_torn_line(path)
    assert list(whole_lines(path)) == whole
    append_line(path, "next")
    assert list(whole_lines(path)) == [*whole, (len(whole) + 1, b"next\n")]
    assert [text for _, text in whole] == [f"{line}\n".encode() for line in lines][: len(whole)]


def test_a_torn_line_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "BLOCK", 4)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"whole\n" + b"torn" * 5)
    drop_torn_line(path)
    assert path.read_bytes() == b"whole\n"
