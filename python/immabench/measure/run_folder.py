"""The run folder: `run.json`, rows appended one by one to `rows.jsonl`, raw samples beside them.

A row is on disk before the next case starts, so `kill -9` loses at most the row in flight. A line torn by the kill is
cut off when the folder is opened for appending, and ignored with a warning when it is only read.

A run may hold 100,000 rows and more: everything here goes through the file line by line, and only `rows` and `frame`
hold every row at once. `bench/bench_scale.py` measures it.
"""

from __future__ import annotations

import csv
import itertools
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from immabench.errors import RunFolderError
from immabench.json_lines import append_line, drop_torn_line
from immabench.measure.rows import SCHEMA_VERSION, Row

if TYPE_CHECKING:
    import pandas

OWN_FILES = ("run.json", "rows.jsonl", "rows.csv", "report.html", "summary.md")
OWN_FOLDERS = ("samples", "plots", "profile", "logits", "artifacts")
"""Everything a run folder may hold; `--force` removes these and nothing else."""


NESTED = ("asked", "counts")
"""Fields of a row that are tables of their own."""

Identity = tuple[str, str, str]
"""As `Row.identity`."""


class _Named(BaseModel):
    """Of a row only what says which one it is and how it went: a tenth of the memory, a quarter of the time."""

    suite: str
    case: str
    row_id: str
    status: str

    @property
    def identity(self) -> Identity:
        return self.suite, self.case, self.row_id


Line = TypeVar("Line", Row, _Named)


def utc_now() -> str:
    """The time as rows and run.json write it: ISO 8601, UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_run_path(tag: str) -> Path:
    """`runs/<utc>-<tag>`, with a number behind it where another run of the same second has that."""
    path = Path("runs") / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{tag}"
    others = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], others) if not one.exists())


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
        with _explained(self.path, "cannot be written"):
            append_line(self.path / "rows.jsonl", row.model_dump_json())

    def write_samples(self, row_id: str, times_us: list[float]) -> None:
        """Keep the raw times of a row, in microseconds and in the order they were taken."""
        with _explained(self.path, "cannot be written"):
            (self.path / "samples" / f"{row_id}.json").write_text(json.dumps(times_us), encoding="utf-8")

    def samples(self, row_id: str) -> list[float]:
        """The raw times of a row in microseconds, empty where none were kept."""
        path = self.path / "samples" / f"{row_id}.json"
        return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []

    def rows(self, lines: bool = True) -> list[Row]:
        """Every row in file order; of a row that was retried, only the last. Raises RunFolderError on damage.

        `lines=False` leaves out the counts by source line, which are most of an emulated row's memory.
        """
        return list(self.each(lines))

    def each(self, lines: bool = True) -> Iterator[Row]:
        """As `rows`, one at a time: reads the file twice and holds no row."""
        latest = {named.identity: number for number, named in self._read(_Named)}
        for number, row in self._read(Row, warn=False):
            if latest.get(row.identity) == number:
                yield row if lines else _slim(row)

    def statuses(self) -> dict[Identity, str]:
        """The status of every row by its identity; of a row that was retried, the last."""
        return {named.identity: named.status for _, named in self._read(_Named)}

    def whole(self, rows: Iterable[Row]) -> Iterator[Row]:
        """`rows` as they stand in the file, counts by source line included, in its order."""
        wanted = {row.identity for row in rows}
        return (one for one in self.each() if one.identity in wanted)

    def _read(self, model: type[Line], warn: bool = True) -> Iterator[tuple[int, Line]]:
        """Every whole line with its number, retried rows included."""
        path = self.path / "rows.jsonl"
        with _explained(path, "cannot be read"), path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield number, _parsed(model, line, f"{path}:{number}")
                elif warn:
                    warnings.warn(f"{path}: the last line is torn and ignored; its row was in flight", stacklevel=4)

    def drop_torn_line(self) -> None:
        """Cut off an unfinished last line, so that the next row starts a line of its own."""
        path = self.path / "rows.jsonl"
        with _explained(path, "cannot be repaired"):
            drop_torn_line(path)

    def frame(self) -> pandas.DataFrame:
        """The rows as a table, one column a field; nested ones become columns such as `asked.a_type`, `counts.mma`.

        Counts by source line stay in `rows.jsonl`: they are a table of their own.
        """
        import pandas

        return pandas.DataFrame([_flat(row) for row in self.each(lines=False)], columns=list(self._columns()))

    def write_csv(self, path: Path | None = None) -> Path:
        """Write `rows.csv`, the rows of `frame` as pandas writes them, without holding them; returns its path."""
        path = path or self.path / "rows.csv"
        columns = self._columns()
        with _explained(path, "cannot be written"), path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(columns)
            for row in self.each(lines=False):
                table.writerow(_csv_cells(_flat(row), columns))
        return path

    def _columns(self) -> dict[str, bool]:
        """The columns of the table, in order, and whether each holds a number or nothing in every row.

        A column of integers with a gap is one of floats: that is how pandas reads and writes it.
        """
        names = [name for name in Row.model_fields if name not in NESTED]
        filled = dict.fromkeys(names, 0)
        total = 0
        for row in self.each(lines=False):
            total += 1
            for name, value in _flat(row).items():
                filled[name] = filled.get(name, 0) + (value is not None)
        return {name: 0 < count < total for name, count in filled.items()}


def _parsed(model: type[Line], line: bytes, where: str) -> Line:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        detail = error.errors()[0]
        field = ".".join(str(part) for part in detail["loc"])
        raise RunFolderError(
            f"{where} is damaged ({field + ': ' if field else ''}{detail['msg']})",
            "remove that line, then continue with --resume",
        ) from error


_FIELDS_SET: set[str] = set()


def _slim(row: Row) -> Row:
    """The row without counts by source line, and without a set of its own of the fields that were given: 2 KB a row."""
    values = dict(row)
    if row.counts is not None:
        values["counts"] = {name: value for name, value in row.counts.items() if name != "lines"}
    return Row.model_construct(_fields_set=_FIELDS_SET, **values)


def _flat(row: Row) -> dict[str, Any]:
    """The fields of a row, those of nested ones as columns such as `counts.ldmatrix.bytes`."""
    values = dict(row)
    nested = {name: values.pop(name) or {} for name in NESTED}
    return values | _flat_tables(nested)


def _flat_tables(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        flat |= _flat_tables(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _csv_cells(values: dict[str, Any], columns: dict[str, bool]) -> Iterator[Any]:
    for name, gaps in columns.items():
        value = values.get(name)
        yield float(value) if gaps and type(value) is int else value


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
