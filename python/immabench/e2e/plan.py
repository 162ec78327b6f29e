"""What is measured: cells of a runtime with a recipe, and the conditions that are the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from immabench.errors import UsageError
from immabench.models.runtimes.base import Device
from immabench.quantize.recipe_files import BUILT_IN, load_recipe
from immabench.quantize.recipes import Recipe

PRECISIONS = {"int8": "w8a8", "int4": "w4a8"}
"""Precisions that are no names of recipes -> the recipe that is meant."""

BATCHES = (1, 8, 32, 128)


@dataclass(frozen=True)
class Cell:
    """A runtime with a recipe; `precision` is how that was asked for."""

    runtime: str
    precision: str
    recipe: Recipe

    @property
    def is_reference(self) -> bool:
        """Whether accuracies and times are compared with it."""
        return self.runtime == "torch" and self.recipe == BUILT_IN["fp32"]


REFERENCE = Cell("torch", "fp32", BUILT_IN["fp32"])


@dataclass(frozen=True)
class Conditions:
    """Where and how long: `seconds` of timed runs a point, `timeout` the longest that a process may not answer."""

    device: Device
    batches: tuple[int, ...]
    length: int | None
    seconds: float
    threads: int
    timeout: float


def chosen_recipes(family: str, precisions: Sequence[str], stored: Recipe | None = None) -> dict[str, Recipe]:
    """The recipe of each precision, in order, the same recipe once.

    Of a `stored` model, a folder of `immabench quantize`, floats and its own recipe. Raises NothingSelectedError for an
    unknown name, UsageError for two recipes of one name, and another quantized recipe than the stored one.
    """
    found: dict[str, Recipe] = {}
    for precision in dict.fromkeys(precisions):
        recipe = _recipe(family, precision, stored)
        same = next((one for one in found.values() if one.name == recipe.name), None)
        if same is None:
            found[precision] = recipe
        elif same != recipe:
            raise UsageError(f"two recipes are called {recipe.name}", "give one of them another name")
    return found


def ordered_cells(runtimes: Sequence[str], recipes: dict[str, Recipe]) -> list[Cell]:
    """Every runtime with every recipe; torch in fp32 first, since others are compared with it."""
    cells = [Cell(one, precision, recipe) for one in dict.fromkeys(runtimes) for precision, recipe in recipes.items()]
    return sorted(cells, key=lambda cell: not cell.is_reference)


def names(options: Sequence[str]) -> list[str]:
    """Names of repeated options, each of which may hold several with commas between."""
    return [name.strip() for option in options for name in option.split(",") if name.strip()]


def _recipe(family: str, precision: str, stored: Recipe | None) -> Recipe:
    name = PRECISIONS.get(precision, precision)
    if stored is None:
        return load_recipe(family, name)
    if name in BUILT_IN:
        return BUILT_IN[name]
    if Path(name).stem == stored.name:
        return stored
    raise UsageError(
        f"the folder is quantized by {stored.name}, not {name}", f"--precision {stored.name}, or name its model"
    )
