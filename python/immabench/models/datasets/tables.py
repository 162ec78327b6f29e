"""Tables of samples as files hold them, and their labels, checked against the classes of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immabench.errors import UsageError


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises UsageError for one that cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "give the path of a file") from None


def parse_table(content: bytes, path: Path, columns: tuple[str, str], separator: str) -> list[tuple[str, str]]:
    """The two `columns` of a UTF-8 table with a header, row by row; no field has the separator, and quotes are text.

    Raises UsageError, naming `path` and the line, for other columns, for rows of another length, and for no rows.
    """
    try:
        header, *lines = content.decode("utf-8").rstrip("\r\n").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text ({error})", f"give columns {' and '.join(columns)}") from None
    names = header.rstrip("\r").split(separator)
    missing = [column for column in columns if column not in names]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}", f"its first line names {' and '.join(columns)}")
    if not lines:
        raise UsageError(f"{path} holds no samples", "give at least one line after the header")
    first, second = map(names.index, columns)
    rows = [line.rstrip("\r").split(separator) for line in lines]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise UsageError(f"{path}, line {number}: {len(row)} fields, not {len(names)}", "give one a column")
    return [(row[first], row[second]) for row in rows]


def integer_labels(texts: Sequence[str], classes: int, path: Path) -> NDArray[np.int64]:
    """Labels of a table's rows. Raises UsageError, naming the line, for one that is not in 0 .. `classes` - 1."""
    for number, text in enumerate(texts, start=2):
        if not (text.isascii() and text.isdigit() and int(text) < classes):
            raise UsageError(f"{path}, line {number}: label {text!r} is no class", f"classes are 0 to {classes - 1}")
    return np.array([int(text) for text in texts], np.int64)


def checked_labels(labels: NDArray[np.integer], classes: int, path: Path) -> NDArray[np.int64]:
    """Labels [n] of an array as int64. Raises UsageError, naming the sample, for one that is no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        at = int(wrong[0])
        raise UsageError(f"{path}: label {labels[at]} of sample {at} is no class", f"classes are 0 to {classes - 1}")
    return labels.astype(np.int64)
