"""Rows of evaluations on disk, found again by what they depend on, so that interrupted work goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from immabench.accuracy.experiment import Experiment
from immabench.accuracy.row_files import RowFile, rows_in
from immabench.accuracy.rows import AccuracyRow
from immabench.quantize.plans import ResolvedRecipe, plan
from immabench.quantize.recipes import Recipe

FILE = "accuracy.jsonl"
RESOLVED = "resolved"
"""The folder beside it with each recipe as the model's layers met it."""


class Evaluations(RowFile[AccuracyRow]):
    """The rows in a folder, in the order they came, by key."""

    def __init__(self, folder: Path, resume: bool = False) -> None:
        """Raises RunFolderError for a folder that has rows already, unless they are to go on, and a damaged one."""
        super().__init__(folder / FILE, AccuracyRow, resume)

    def evaluate(self, experiment: Experiment, recipes: Iterable[Recipe]) -> Iterator[AccuracyRow]:
        """The row of each recipe: one that is there, else evaluated, and written before the next begins."""
        for recipe in recipes:
            key = experiment.key(recipe)
            if key not in self.rows:
                row = experiment.evaluate(recipe)
                self._write_resolved(experiment, recipe)
                self.add(row)
            yield self.rows[key]

    def _write_resolved(self, experiment: Experiment, recipe: Recipe) -> None:
        """Beside the rows, by their `recipe_digest`: what each layer was asked for and computes with."""
        folder = self.path.parent / RESOLVED
        folder.mkdir(parents=True, exist_ok=True)
        resolved = ResolvedRecipe(recipe=recipe, layers=plan(recipe, experiment.traced.layers))
        (folder / f"{recipe.digest}.json").write_text(resolved.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_rows(path: Path) -> list[AccuracyRow]:
    """The rows in a file. Raises RunFolderError, naming the line, for one that is none."""
    return rows_in(path, AccuracyRow)
