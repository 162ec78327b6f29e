"""`immabench quantize`: a trained model and a recipe to a folder of codes and scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from immabench.cli.options import JsonOption
from immabench.cli.trained import CalibrationOption, ModelArgument, SetOption, WeightsOption, chosen_model

if TYPE_CHECKING:
    from immabench.quantize.quantized import QuantizedModel


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(quantize)


def quantize(
    model: ModelArgument = "",
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="w8a8, w4 and so on.")] = "w8a8",
    out: Annotated[Path, typer.Option("--out", help="A new folder; MODEL-RECIPE without.")] = Path(),
    changes: SetOption = None,
    weights: WeightsOption = None,
    calibration: CalibrationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quantize a trained model after training, and say for each layer what it computes with and why.

    The folder has model.safetensors (codes, scales, whatever stays in floats) and quantized.json (recipe, layers).

    Example: immabench quantize resnet18 --recipe w8a8 --out resnet18-w8a8
    """
    from immabench.accuracy.experiment import Experiment, versions
    from immabench.cli.progress import SampleProgress
    from immabench.errors import UsageError
    from immabench.quantize.files import save_quantized
    from immabench.quantize.recipe_files import load_recipe

    chosen = chosen_model(model, weights, None, calibration)
    wanted = load_recipe(chosen.recipes, recipe, changes or ())
    if wanted.is_float:
        raise UsageError(f"recipe {wanted.name} quantizes nothing", "choose one with [weights]")
    folder = out if out != Path() else Path(f"{chosen.name}-{Path(recipe).stem}")
    with SampleProgress() as progress:
        experiment = Experiment(chosen, progress=progress)
        quantized = experiment.quantized(wanted)
    about = {"model": chosen.name, "title": chosen.title, "watermark": chosen.watermark}
    save_quantized(quantized, folder, {**about, "calibration": experiment.calibrated_with(wanted)}, versions())
    _show(quantized, folder, chosen.watermark, as_json)


def _show(quantized: QuantizedModel, folder: Path, watermark: str, as_json: bool) -> None:
    from immabench.accuracy.card import MIB
    from immabench.accuracy.experiment import quantized_macs
    from immabench.cli.output import print_json, print_table

    share = quantized_macs(quantized.plans, quantized.traced)
    if as_json:
        layers = [plan.model_dump(mode="json") for plan in quantized.plans]
        print_json(
            {
                "out": str(folder),
                "size_bytes": quantized.size_bytes,
                "quantized_macs": share,
                "watermark": watermark,
                "in_floats": list(quantized.traced.in_floats),
                "layers": layers,
            }
        )
        return
    rows = (
        (plan.layer, plan.kind, plan.precision or quantized.recipe.floats, plan.operator, plan.fallback or plan.note)
        for plan in quantized.plans
    )
    print_table("", ("layer", "kind", "precision", "operator", "why"), rows)
    for place in quantized.traced.in_floats:
        print(f"in {quantized.recipe.floats}: {place}")
    print(f"{100 * share:.1f} % of layers' work has integer weights; {quantized.size_bytes / MIB:.2f} MiB")
    if watermark:
        print(f"note: this model was {watermark}")
    print(folder)
