"""Rows on disk, a line each, found again by what they depend on, so that interrupted work goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from immabench.accuracy.rows import KeyedRow
from immabench.errors import RunFolderError
from immabench.json_lines import append_line, drop_torn_line, whole_lines

AnyRow = TypeVar("AnyRow", bound=KeyedRow)


class RowFile(Generic[AnyRow]):
    """The rows of one kind in a file, in the order they came, by key."""

    def __init__(self, path: Path, kind: type[AnyRow], resume: bool = False) -> None:
        """Raises RunFolderError for a file that is there already, unless it is to go on, and a damaged one."""
        self.path = path
        self.rows: dict[str, AnyRow] = {}
        if path.exists():
            if not resume:
                raise RunFolderError(f"{path} exists", "continue it with --resume, or choose another --out")
            drop_torn_line(path)
            self.rows = {row.key: row for row in rows_in(path, kind)}
            return
        _require_writable(path.parent)

    def add(self, row: AnyRow) -> None:
        """Keep a row; it is on disk when this returns. The folder is made for the first one: bad input leaves none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows[row.key] = row
        append_line(self.path, row.model_dump_json())


def _require_writable(folder: Path) -> None:
    """Raise RunFolderError, before any work is done, for a folder that cannot be made or written."""
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise RunFolderError(f"{folder} cannot be written", "choose another --out")


def rows_in(path: Path, kind: type[AnyRow]) -> list[AnyRow]:
    """The rows in a file. Raises RunFolderError, naming the line, for one that is none."""
    rows = []
    for number, line in whole_lines(path):
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise RunFolderError(f"{path}:{number} is no row ({first['msg']})", "remove that line") from error
    return rows
