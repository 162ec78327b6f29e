"""Rows of evaluations on disk, found again by what they depend on, so that interrupted work goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from immabench.accuracy.experiment import Experiment
from immabench.accuracy.rows import AccuracyRow
from immabench.errors import RunFolderError
from immabench.json_lines import append_line, drop_torn_line, whole_lines
from immabench.quantize.recipes import Recipe

FILE = "accuracy.jsonl"


class Evaluations:
    """The rows in a folder, in the order they came, by key."""

    def __init__(self, folder: Path, resume: bool = False) -> None:
        """Raises RunFolderError for a folder that has rows already, unless they are to go on, and a damaged one."""
        self.path = folder / FILE
        self.rows: dict[str, AccuracyRow] = {}
        if self.path.exists():
            if not resume:
                raise RunFolderError(f"{self.path} exists", "continue it with --resume, or choose another --out")
            drop_torn_line(self.path)
            self.rows = {row.key: row for row in read_rows(self.path)}
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be written ({error.strerror})", "choose another --out") from error

    def evaluate(
        self, experiment: Experiment, recipes: Iterable[Recipe], found: Callable[[AccuracyRow], None] = lambda _: None
    ) -> Iterator[AccuracyRow]:
        """The row of each recipe: one that is there, else evaluated and written before the next; `found` hears of those."""
        for recipe in recipes:
            key = experiment.key(recipe)
            if key not in self.rows:
                self.rows[key] = experiment.evaluate(recipe)
                append_line(self.path, self.rows[key].model_dump_json())
                found(self.rows[key])
            yield self.rows[key]


def read_rows(path: Path) -> list[AccuracyRow]:
    """The rows in a file. Raises RunFolderError, naming the line, for one that is none."""
    rows = []
    for number, line in whole_lines(path):
        try:
            rows.append(AccuracyRow.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise RunFolderError(f"{path}:{number} is no row ({first['msg']})", "remove that line") from error
    return rows
