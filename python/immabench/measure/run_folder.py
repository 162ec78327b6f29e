"""The run folder: `run.json`, rows appended one by one to `rows.jsonl`, raw samples beside them.

A row is on disk before the next case starts, so `kill -9` loses at most the row in flight. A line torn by the kill is
cut off when the folder is opened for appending, and ignored with a warning when it is only read.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from immabench.errors import RunFolderError
from immabench.measure.rows import SCHEMA_VERSION, Row

if TYPE_CHECKING:
    import pandas

OWN_FILES = ("run.json", "rows.jsonl", "rows.csv", "report.html", "summary.md")
OWN_FOLDERS = ("samples", "plots", "profile")
"""Everything a run folder may hold; `--force` removes these and nothing else."""


def utc_now() -> str:
    """The time as rows and run.json write it: ISO 8601, UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunFolder:
    """One run on disk. Use `create` for a new one and `open` for one that exists."""

    def __init__(self, path: Path, meta: dict[str, Any]) -> None:
        self.path = path
        self.meta = meta

    @classmethod
    def create(cls, path: Path, force: bool = False, meta: dict[str, Any] | None = None) -> RunFolder:
        """Make the folder and its `run.json`. Raises RunFolderError where it exists (unless `force`) or is unwritable.

        `force` replaces a run folder; a folder that holds anything else is never touched.
        """
        with _explained(path, "cannot be created"):
            if path.exists():
                _make_room(path, force)
            (path / "samples").mkdir(parents=True, exist_ok=True)
            folder = cls(path, {"schema_version": SCHEMA_VERSION, "run_id": path.name, **(meta or {})})
            folder.write_meta()
            (path / "rows.jsonl").touch()
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run. Raises RunFolderError, with the remedy, for one that is missing or damaged."""
        path = Path(path)
        if not path.is_dir():
            raise RunFolderError(f"{path} is not a run folder", "name a folder that `immabench sweep` wrote")
        try:
            meta = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunFolderError(f"{path} holds no run.json", "name a folder that `immabench sweep` wrote") from error
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path / 'run.json'} is damaged ({error})", "restore it, or sweep again") from error
        if not isinstance(meta, dict) or meta.get("schema_version") != SCHEMA_VERSION:
            raise RunFolderError(
                f"{path / 'run.json'} is not of schema {SCHEMA_VERSION}", "sweep again with this version"
            )
        return cls(path, meta)

    def write_meta(self, **changes: Any) -> None:
        """Merge `changes` into `meta` and replace `run.json` in one step."""
        self.meta.update(changes)
        fresh = self.path / "run.json.new"
        with _explained(self.path, "cannot be written"):
            fresh.write_text(json.dumps(self.meta, indent=2, allow_nan=False) + "\n", encoding="utf-8")
            fresh.replace(self.path / "run.json")

    def append(self, row: Row) -> None:
        """Add one row; it is on disk when this returns."""
        with _explained(self.path, "cannot be written"), (self.path / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(row.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_samples(self, row_id: str, times_us: list[float]) -> None:
        """Keep the raw times of a row, in microseconds and in the order they were taken."""
        with _explained(self.path, "cannot be written"):
            (self.path / "samples" / f"{row_id}.json").write_text(json.dumps(times_us), encoding="utf-8")

    def samples(self, row_id: str) -> list[float]:
        """The raw times of a row in microseconds, empty where none were kept."""
        path = self.path / "samples" / f"{row_id}.json"
        return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []

    def rows(self) -> list[Row]:
        """Every row in file order; of a row that was retried, only the last. Raises RunFolderError on damage."""
        latest: dict[tuple[str, str, str], Row] = {}
        for row in self._read():
            latest.pop(row.identity, None)
            latest[row.identity] = row
        return list(latest.values())

    def _read(self) -> Iterator[Row]:
        path = self.path / "rows.jsonl"
        with _explained(path, "cannot be read"):
            lines = path.read_bytes().split(b"\n")
        if lines.pop():
            warnings.warn(f"{path}: the last line is torn and ignored; its row was in flight", stacklevel=3)
        for number, line in enumerate(lines, start=1):
            try:
                yield Row.model_validate_json(line)
            except ValidationError as error:
                detail = error.errors()[0]
                where = ".".join(str(part) for part in detail["loc"])
                raise RunFolderError(
                    f"{path}:{number} is damaged ({where + ': ' if where else ''}{detail['msg']})",
                    "remove that line, then continue with --resume",
                ) from error

    def drop_torn_line(self) -> None:
        """Cut off an unfinished last line, so that the next row starts a line of its own."""
        path = self.path / "rows.jsonl"
        with _explained(path, "cannot be repaired"), path.open("rb+") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)

    def frame(self) -> pandas.DataFrame:
        """The rows as a table, one column a field; nested counts become columns such as `counts.mma`.

        Counts by source line stay in `rows.jsonl`: they are a table of their own.
        """
        import pandas

        columns = [name for name in Row.model_fields if name != "counts"]
        flat = pandas.json_normalize([row.model_dump() for row in self.rows()])
        counts = [name for name in flat.columns if name.startswith("counts.") and name != "counts.lines"]
        return flat.reindex(columns=columns + counts)

    def write_csv(self) -> Path:
        """Write `rows.csv`, the flattened rows; returns its path."""
        path = self.path / "rows.csv"
        with _explained(path, "cannot be written"):
            self.frame().to_csv(path, index=False)
        return path


def _make_room(path: Path, force: bool) -> None:
    entries = list(path.iterdir()) if path.is_dir() else [path]
    if not entries:
        return
    foreign = [entry.name for entry in entries if entry.name not in OWN_FILES + OWN_FOLDERS]
    if foreign or not path.is_dir():
        raise RunFolderError(
            f"{path} holds {', '.join(foreign[:3]) or 'no folder'}, not only a run", "choose another --out"
        )
    if not force:
        raise RunFolderError(
            f"{path} already holds a run", "choose another --out, continue it with --resume, or --force"
        )
    for entry in entries:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn an OSError into one line that names the path."""
    try:
        yield
    except OSError as error:
        remedy = "choose a writable folder with --out" if "created" in what else "check the folder and the disk"
        raise RunFolderError(f"{path} {what} ({error.strerror or error})", remedy) from error
