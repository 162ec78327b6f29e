"""The run folder of a comparison of runtimes: rows by key, their samples, logits of each cell, artifacts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from immabench.accuracy.row_files import RowFile, rows_in
from immabench.e2e.rows import E2eRow
from immabench.errors import RunFolderError
from immabench.measure.run_folder import RunFolder

KIND = "e2e"
"""Of `run.json`: what tells this folder from one of a sweep."""


class E2eFolder:
    """`runs/<utc>-e2e-MODEL`: `run.json`, `rows.jsonl`, `samples/`, `logits/`, `artifacts/`, and the report."""

    def __init__(self, run: RunFolder) -> None:
        self.path, self._run = run.path, run
        self._file = RowFile(run.path / "rows.jsonl", E2eRow, resume=True)
        for name in ("logits", "artifacts"):
            (self.path / name).mkdir(exist_ok=True)

    @classmethod
    def create(cls, path: Path, force: bool, meta: dict[str, Any]) -> E2eFolder:
        """A new folder. Raises RunFolderError where it exists (unless `force`) or is unwritable."""
        return cls(RunFolder.create(path, force, {"kind": KIND, **meta}))

    @classmethod
    def open(cls, path: Path) -> E2eFolder:
        """A folder that exists. Raises RunFolderError for one of another kind, and a damaged one."""
        run = RunFolder.open(path)
        if not is_e2e(run.meta):
            raise RunFolderError(f"{path} is no run of immabench e2e", "name a folder that it wrote")
        return cls(run)

    @property
    def meta(self) -> dict[str, Any]:
        """What `run.json` holds."""
        return self._run.meta

    @property
    def rows(self) -> list[E2eRow]:
        """The rows by the order they came; of those that were repeated the last."""
        return _current(self._file.rows.values())

    def row(self, key: str) -> E2eRow | None:
        """The row with a key, where it is here."""
        return self._file.rows.get(key)

    def add(self, row: E2eRow, times_us: list[float] | None = None) -> None:
        """Keep a row and its samples; both are on disk when this returns."""
        if times_us:
            self._run.write_samples(row.key, times_us)
        self._file.add(row)

    def samples(self, row: E2eRow) -> list[float]:
        """Times of a row's runs in microseconds, in the order they were taken."""
        return self._run.samples(row.key)

    def logits(self, cell_key: str) -> Path:
        """Where the logits of a cell are, or will be."""
        return self.path / "logits" / f"{cell_key}.npy"

    def write_meta(self, **changes: Any) -> None:
        """Change `run.json`."""
        self._run.write_meta(**changes)

    def write_csv(self) -> Path:
        """`rows.csv`: a column a field, two an interval."""
        path = self.path / "rows.csv"
        lines = [dict(_flat(row)) for row in self.rows]
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(dict.fromkeys(name for line in lines for name in line)), restval="")
            table.writeheader()
            table.writerows(lines)
        return path


def is_e2e(meta: dict[str, Any]) -> bool:
    """Whether a `run.json` is that of such a folder."""
    return meta.get("kind") == KIND


def read_rows(folder: Path) -> list[E2eRow]:
    """The rows of a folder, of those that were repeated the last; nothing is changed in it."""
    return _current({row.key: row for row in rows_in(folder / "rows.jsonl", E2eRow)}.values())


def _current(rows: Iterable[E2eRow]) -> list[E2eRow]:
    """Without those of whole cells that were refused, where the cell was measured later."""
    rows = list(rows)
    measured = {(row.runtime, row.precision, row.recipe_digest) for row in rows if row.batch is not None}
    return [
        row for row in rows if row.batch is not None or (row.runtime, row.precision, row.recipe_digest) not in measured
    ]


def _flat(row: E2eRow) -> Iterator[tuple[str, Any]]:
    for name, value in row.model_dump(mode="json").items():
        if name.endswith("_interval"):
            yield from zip((f"{name}_low", f"{name}_high"), value or ("", ""), strict=True)
        else:
            yield name, json.dumps(value) if isinstance(value, list | dict) else value
