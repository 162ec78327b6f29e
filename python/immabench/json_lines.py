"""Files of one JSON document a line, each on disk before the next begins: a kill tears the last line at most."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 1 << 16
"""How many bytes are read at once, from the end, to find where the last whole line ends."""


def append_line(path: Path, line: str) -> None:
    """Add a line; it is on disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line that ends, with its number."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield number, line


def drop_torn_line(path: Path) -> None:
    """Cut off an unfinished last line, so that the next one starts a line of its own."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            end = start
            if newline >= 0:
                end = start + newline + 1
                break
        file.truncate(end)
