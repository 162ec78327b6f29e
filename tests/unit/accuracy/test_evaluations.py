"""Rows on disk: found again, continued after a kill, refused where they would be mixed or are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from toy_models import toy

from immabench.accuracy.evaluations import FILE, RESOLVED, Evaluations, read_rows
from immabench.accuracy.experiment import Experiment
from immabench.accuracy.rows import AccuracyRow
from immabench.errors import RunFolderError
from immabench.quantize.plans import ResolvedRecipe
from immabench.quantize.recipe_files import BUILT_IN, load_recipe
from immabench.quantize.recipes import Recipe

FP32, BF16 = BUILT_IN["fp32"], BUILT_IN["bf16"]


class Counted(Experiment):
    """Remembers what was evaluated, and is interrupted by what it is told to be."""

    def __init__(self, interrupted_by: str = "") -> None:
        super().__init__(toy())
        self.evaluated: list[str] = []
        self._interrupted_by = interrupted_by

    def evaluate(self, recipe: Recipe) -> AccuracyRow:
        if recipe.name == self._interrupted_by:
            raise KeyboardInterrupt
        self.evaluated.append(recipe.name)
        return super().evaluate(recipe)


def test_interrupted_work_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(Evaluations(tmp_path).evaluate(Counted("bf16"), [FP32, BF16]))
    second = Counted()
    rows = list(Evaluations(tmp_path, resume=True).evaluate(second, [FP32, BF16]))
    assert second.evaluated == ["bf16"], "fp32 was there"
    assert [row.recipe for row in rows] == ["fp32", "bf16"]
    assert read_rows(tmp_path / FILE) == rows


def test_the_resolved_recipe_is_kept_with_its_row(tmp_path: Path) -> None:
    w4 = load_recipe("resnet18", "w4")
    (row,) = Evaluations(tmp_path).evaluate(Counted(), [w4])
    text = (tmp_path / RESOLVED / f"{row.recipe_digest}.json").read_text(encoding="utf-8")
    resolved = ResolvedRecipe.model_validate_json(text)
    assert resolved.recipe == w4
    assert [layer.layer for layer in resolved.layers] == ["conv1", "conv2", "mean", "fc"]
    assert [f"{layer.layer}: {layer.fallback}" for layer in resolved.layers if layer.fallback] == row.fallbacks != []


def test_a_torn_line_is_evaluated_again(tmp_path: Path) -> None:
    rows = list(Evaluations(tmp_path).evaluate(Counted(), [FP32, BF16]))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-9])
    second = Counted()
    again = list(Evaluations(tmp_path, resume=True).evaluate(second, [FP32, BF16]))
    assert second.evaluated == ["bf16"]
    assert [row.key for row in again] == [row.key for row in rows]
    assert len(read_rows(path)) == 2


def test_the_same_recipe_by_another_name_is_evaluated_once(tmp_path: Path) -> None:
    counted = Counted()
    mine = FP32.model_copy(update={"name": "mine"})
    assert len(list(Evaluations(tmp_path).evaluate(counted, [FP32, mine]))) == 2
    assert counted.evaluated == ["fp32"]


def test_rows_that_are_there_are_not_added_to_unasked(tmp_path: Path) -> None:
    list(Evaluations(tmp_path).evaluate(Counted(), [FP32]))
    with pytest.raises(RunFolderError, match=f"{FILE} exists; continue it with --resume, or choose another --out"):
        Evaluations(tmp_path)


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    list(Evaluations(tmp_path).evaluate(Counted(), [FP32]))
    path = tmp_path / FILE
    path.write_text(path.read_text().replace('"samples":60', '"samples":"many"'))
    with pytest.raises(RunFolderError, match=rf"{FILE}:1 is no row \(.*integer.*\); remove that line"):
        Evaluations(tmp_path, resume=True)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be written"):
        Evaluations(tmp_path / "file" / "inside")
