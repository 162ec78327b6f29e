"""The options of commands that take a trained model: which weights, which data, what of a recipe is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from immabench.models.trained import TrainedModel
    from immabench.quantize.recipes import Recipe

ModelArgument = Annotated[
    str,
    typer.Argument(
        help="A trained model, as `immabench list models` has them; resnet18-digits, which needs nothing, without."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A change of the recipe, as activations.calibrator=mse; repeatable."
    ),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="So many samples of the evaluation data, balanced by class.")
]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="A checkpoint of this architecture: .safetensors or .pth.")
]
DataOption = Annotated[Path | None, typer.Option("--data", help="Evaluation data of your own, of the model's kind.")]
CalibrationOption = Annotated[
    Path | None, typer.Option("--calibration", help="Calibration data of your own, of the model's kind.")
]


def stored_model(name: str) -> Path | None:
    """The folder that a model's name is, where it is one that `immabench quantize` wrote."""
    from immabench.quantize.files import is_quantized

    return Path(name) if name and is_quantized(Path(name)) else None


def made_of(stored: Path) -> str:
    """The name of the model that a folder was quantized from."""
    from immabench.quantize.files import read_description

    return read_description(stored).model


def recipe_of(stored: Path, names: list[str] | None, changes: list[str] | None) -> Recipe:
    """The recipe of a quantized model, which is what it is. Raises UsageError where another is asked for."""
    from immabench.errors import UsageError
    from immabench.quantize.files import read_description

    if names or changes:
        raise UsageError(
            f"{stored} is quantized already", "leave out --recipe and --set, or name the model it was made of"
        )
    return read_description(stored).recipe


def chosen_quantized(
    name: str,
    recipe: str,
    changes: list[str] | None,
    weights: Path | None,
    data: Path | None,
    calibration: Path | None,
) -> tuple[TrainedModel, Recipe, Path | None]:
    """A model with a recipe, w8a8 where that is ""; or a folder of `immabench quantize`, which has its own: the model
    it is of, and the folder. Raises UsageError where both are asked for."""
    from immabench.quantize.recipe_files import load_recipe

    stored = stored_model(name)
    chosen = chosen_model(made_of(stored) if stored else name, weights, data, calibration)
    if stored:
        return chosen, recipe_of(stored, [recipe] if recipe else None, changes), stored
    return chosen, load_recipe(chosen.recipes, recipe or "w8a8", changes or ()), None


def chosen_model(name: str, weights: Path | None, data: Path | None, calibration: Path | None) -> TrainedModel:
    """The model of that name, "" for the embedded one, with local weights and data in the place of assets.

    Raises UsageError for a folder of `immabench quantize`: what it was made of is another model.
    """
    from immabench.errors import UsageError
    from immabench.models.trained import NEEDS_NOTHING, trained_model, with_local

    if stored_model(name):
        raise UsageError(f"{name} is quantized already", "name the model that it was made of")
    return with_local(trained_model(name or NEEDS_NOTHING), weights, data, calibration)
