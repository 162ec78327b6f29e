"""Precisions to recipes, and the order of cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from immabench.e2e.plan import REFERENCE, chosen_recipes, names, ordered_cells
from immabench.errors import NothingSelectedError, UsageError
from immabench.quantize.recipe_files import load_recipe


def test_precisions_are_recipes() -> None:
    found = chosen_recipes("resnet18", ["fp32", "int8", "int4", "w8a8-dynamic"])
    assert [(asked, recipe.name) for asked, recipe in found.items()] == [
        ("fp32", "fp32"),
        ("int8", "w8a8"),
        ("int4", "w4a8"),
        ("w8a8-dynamic", "w8a8-dynamic"),
    ]


def test_the_same_recipe_by_two_names_is_one() -> None:
    assert list(chosen_recipes("resnet18", ["int8", "w8a8", "int8"])) == ["int8"]


def test_unknown_and_ambiguous_recipes(tmp_path: Path) -> None:
    with pytest.raises(NothingSelectedError, match="no recipe of resnet18 matches 'int9'"):
        chosen_recipes("resnet18", ["int9"])
    (tmp_path / "w8a8.toml").write_text("[weights]\nbits = 8\n")
    with pytest.raises(UsageError, match="two recipes are called w8a8"):
        chosen_recipes("resnet18", ["w8a8", str(tmp_path / "w8a8.toml")])


def test_a_stored_model_has_floats_and_its_own_recipe() -> None:
    stored = load_recipe("resnet18", "w8a8")
    assert list(chosen_recipes("resnet18", ["bf16", "int8"], stored).values())[1] is stored
    with pytest.raises(UsageError, match="the folder is quantized by w8a8, not w4a8"):
        chosen_recipes("resnet18", ["int4"], stored)


def test_the_reference_comes_first() -> None:
    cells = ordered_cells(["onnxruntime", "torch", "torch"], chosen_recipes("resnet18", ["int8", "fp32"]))
    assert cells[0] == REFERENCE
    assert [(cell.runtime, cell.precision) for cell in cells[1:]] == [
        ("onnxruntime", "int8"),
        ("onnxruntime", "fp32"),
        ("torch", "int8"),
    ]


def test_names() -> None:
    assert names(["a, b", "c", ","]) == ["a", "b", "c"]
