"""`immabench sensitivity`: which layers of a trained model a recipe hurts, and the recipe that spares the worst."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import JsonOption
from immabench.cli.trained import (
    CalibrationOption,
    DataOption,
    ModelArgument,
    SetOption,
    WeightsOption,
    chosen_model,
)

if TYPE_CHECKING:
    from immabench.accuracy.experiment import Experiment
    from immabench.accuracy.sensitivity import Sensitivity
    from immabench.accuracy.sensitivity_rows import LayerSensitivity, SensitivityRow
    from immabench.models.datasets import Dataset
    from immabench.quantize.recipes import Recipe

INTERRUPTED = 130
RECIPE_FILE = "recipe.toml"


class Samples(str, Enum):
    """Which data layers are judged on."""

    CALIBRATION = "calibration"
    EVALUATION = "evaluation"


@dataclass(frozen=True)
class Study:
    """What was found, where it is, and what to do about it: `spared` has the worst layers in floats."""

    rows: Sequence[SensitivityRow]
    in_floats: Sequence[str]
    spared: Recipe
    kept: int
    folder: Path


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(sensitivity)


def sensitivity(
    model: ModelArgument = "",
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="w8a8, w4 and so on.")] = "w8a8",
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many samples each pass takes.")] = 128,
    on: Annotated[
        Samples, typer.Option("--on", help="Calibration data that is not observed, or evaluation data.")
    ] = Samples.CALIBRATION,
    changes: SetOption = None,
    layers: Annotated[
        list[str] | None, typer.Option("--layer", metavar="GLOB", help="Only layers whose name matches; repeatable.")
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the worst layers to leave in floats.")] = 3,
    weights: WeightsOption = None,
    data: DataOption = None,
    calibration: CalibrationOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder for rows, chart and recipe; runs/<utc>-sensitivity-MODEL.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --out: go on, with the rows that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find the layers that a recipe hurts: each quantized alone (weights, activations, both), and alone in floats.

    Writes rows, a chart, and the recipe with the worst layers in floats. Samples are calibration data that no scale
    was found from: layers chosen on the evaluation data would spoil its figures. Quantization is simulated.

    Example: immabench sensitivity resnet18 --recipe w4a8 --samples 64
    """
    from immabench.accuracy.experiment import Experiment
    from immabench.accuracy.sensitivity import Sensitivity
    from immabench.cli.progress import SampleProgress
    from immabench.errors import UsageError
    from immabench.measure.run_folder import new_run_path
    from immabench.quantize.recipe_files import load_recipe

    if resume and out is None:
        raise UsageError("--resume continues a folder", "name it with --out")
    chosen = chosen_model(model, weights, data, calibration)
    wanted = load_recipe(chosen.recipes, recipe, changes or ())
    folder = out or new_run_path(f"sensitivity-{chosen.name}")
    with SampleProgress() as progress:
        experiment = Experiment(chosen, progress=progress)
        study = Sensitivity(experiment, wanted, _judged(experiment, wanted, samples, on), progress)
        rows, in_floats = _measured(study, layers or (), folder, resume)
    _show(_finished(rows, in_floats, wanted, keep, folder), as_json)


def _judged(experiment: Experiment, recipe: Recipe, samples: int, on: Samples) -> Dataset:
    from immabench.accuracy.sensitivity import held_out
    from immabench.models.datasets import balanced_subset

    if on is Samples.CALIBRATION:
        return held_out(experiment, recipe, samples)
    return balanced_subset(experiment.data, samples, seed=0)


def _measured(
    study: Sensitivity, patterns: Sequence[str], folder: Path, resume: bool
) -> tuple[list[SensitivityRow], list[str]]:
    """The rows, and the products that the recipe leaves in floats."""
    from immabench.accuracy.row_files import RowFile
    from immabench.accuracy.sensitivity import FILE
    from immabench.accuracy.sensitivity_rows import SensitivityRow

    plans = study.plans(patterns)
    quantized = {plan.layer for plan in study.plans()}
    in_floats = [layer.name for layer in study.experiment.traced.products if layer.name not in quantized]
    file = RowFile(folder / FILE, SensitivityRow, resume)
    try:
        return study.measure(plans, file), in_floats
    except KeyboardInterrupt:
        print(f"interrupted; continue with the same command, --out {folder} --resume", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _finished(
    rows: Sequence[SensitivityRow], in_floats: Sequence[str], recipe: Recipe, keep: int, folder: Path
) -> Study:
    """Write the chart and the recipe that spares the worst layers."""
    from immabench.accuracy.sensitivity import fallback_recipe
    from immabench.accuracy.sensitivity_rows import by_layer
    from immabench.quantize.recipe_files import recipe_text
    from immabench.report.sensitivity_plot import write_sensitivity_plot

    spared = fallback_recipe(recipe, rows, keep)
    (folder / RECIPE_FILE).write_text(recipe_text(spared), encoding="utf-8")
    write_sensitivity_plot(rows, folder)
    return Study(rows, in_floats, spared, min(keep, len(by_layer(rows))), folder)


def _show(study: Study, as_json: bool) -> None:
    from immabench.accuracy.sensitivity_rows import ranked, whole
    from immabench.cli.output import print_json, print_table

    if as_json:
        print_json(_summary(study))
        return
    first = study.rows[0]
    columns = ("layer", "KL nats", "SQNR dB", "weights", "activations", "drop, points", "interval", "gain nats")
    title = (
        f"{first.title}, {first.recipe}, {first.samples} samples, simulated; each layer quantized alone, worst first"
    )
    lines = [_line(layer.name, layer) for layer in ranked(study.rows)]
    print_table(title, columns, lines, numeric=columns[1:])
    everything = whole(study.rows, "all")
    drop, interval = _points(everything)
    print(f"all layers: drop {drop} points ({interval}), ", end="")
    print(f"KL divergence {everything.kl_divergence:.2e} nats, SQNR {_decibels(everything)} dB")
    print("gain: how much less the KL divergence of all layers is with this one in floats")
    print(f"samples: {first.data}")
    if study.in_floats:
        print(f"in floats by the recipe: {', '.join(study.in_floats)}")
    if first.watermark:
        print(f"note: {first.title} was {first.watermark}")
    _print_remedy(study)


def _line(name: str, layer: LayerSensitivity) -> tuple[str, ...]:
    drop, interval = _points(layer.both)
    return (
        name,
        f"{layer.both.kl_divergence:.2e}",
        *(_decibels(row) for row in (layer.both, layer.weights, layer.activations)),
        drop,
        interval,
        f"{layer.gain:+.2e}",
    )


def _points(row: SensitivityRow) -> tuple[str, str]:
    """The accuracy lost in percentage points, and its interval."""
    low, high = row.difference_interval
    return f"{100 * row.drop:+.2f}", f"{-100 * high:+.2f} to {-100 * low:+.2f}"


def _decibels(row: SensitivityRow | None) -> str:
    return "" if row is None or row.sqnr_db is None else f"{row.sqnr_db:.1f}"


def _print_remedy(study: Study) -> None:
    from immabench.quantize.recipe_files import recipe_text

    blocks = recipe_text(study.spared).rstrip().split("\n\n")
    path = study.folder / RECIPE_FILE
    print(f"\nTo leave the worst {study.kept} in floats, add to the recipe, or evaluate --recipe {path}:\n")
    print("\n\n".join(blocks[-study.kept :]))
    print(f"\nrows, chart and recipe: {study.folder}")


def _summary(study: Study) -> dict[str, Any]:
    from immabench.accuracy.sensitivity_rows import by_layer, ranked, whole

    first = study.rows[0]
    order = [layer.name for layer in by_layer(study.rows)]
    return {
        "model": first.model,
        "recipe": first.recipe,
        "samples": first.samples,
        "data": first.data,
        "watermark": first.watermark,
        "runtime": first.runtime,
        "out": str(study.folder),
        "all": _figures(whole(study.rows, "all"), ""),
        "none": _figures(whole(study.rows, "none"), ""),
        "layers": [_entry(layer, order.index(layer.name)) for layer in ranked(study.rows)],
        "in_floats": list(study.in_floats),
        "kept": [layer.name for layer in ranked(study.rows)[: study.kept]],
        "kept_recipe": str(study.folder / RECIPE_FILE),
    }


def _entry(layer: LayerSensitivity, place: int) -> dict[str, Any]:
    """Drops are fractions; `place` counts layers in the order they run, from 0."""
    return {
        "name": layer.name,
        "place": place,
        **_figures(layer.both, ""),
        **_figures(layer.weights, "weight_"),
        **_figures(layer.activations, "activation_"),
        **_figures(layer.others, "kept_"),
        "kept_gain": layer.gain,
    }


def _figures(row: SensitivityRow | None, prefix: str) -> dict[str, Any]:
    """None where the recipe leaves this part in floats."""
    figures = ("drop", "sqnr_db", "kl_divergence", "gained", "lost")
    return {f"{prefix}{name}": None if row is None else getattr(row, name) for name in figures}
