"""`immabench evaluate`: what recipes cost a trained model in accuracy, beside fp32 on the same samples."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from immabench.cli.options import JsonOption
from immabench.cli.trained import (
    CalibrationOption,
    DataOption,
    LimitOption,
    ModelArgument,
    SetOption,
    WeightsOption,
    chosen_model,
    made_of,
    recipe_of,
    stored_model,
)

if TYPE_CHECKING:
    from immabench.accuracy.rows import AccuracyRow

INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(evaluate)


def evaluate(
    model: ModelArgument = "",
    recipe: Annotated[
        list[str] | None,
        typer.Option("--recipe", metavar="NAME|FILE", help="Repeatable; fp32, bf16, w8a8 and so on. fp32 without."),
    ] = None,
    changes: SetOption = None,
    limit: LimitOption = None,
    weights: WeightsOption = None,
    data: DataOption = None,
    calibration: CalibrationOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="A folder for the rows; runs/<utc>-evaluate-MODEL.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --out: go on, with the rows that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a trained model, or a folder of `immabench quantize`, with recipes: accuracy, size, distance from fp32.

    Quantization is simulated in fp32: accuracy is that of the codes, and no speed is measured.

    Example: immabench evaluate resnet18 --recipe w8a8 --recipe w4
    """
    from immabench.accuracy.evaluations import Evaluations
    from immabench.accuracy.experiment import Experiment
    from immabench.cli.progress import SampleProgress
    from immabench.errors import UsageError
    from immabench.measure.run_folder import new_run_path
    from immabench.quantize.recipe_files import load_recipe

    if resume and out is None:
        raise UsageError("--resume continues a folder", "name it with --out")
    stored = stored_model(model)
    chosen = chosen_model(made_of(stored) if stored else model, weights, data, calibration)
    recipes = (
        [recipe_of(stored, recipe, changes)]
        if stored
        else [load_recipe(chosen.recipes, name, changes or ()) for name in recipe or ["fp32"]]
    )
    folder = out or new_run_path(f"evaluate-{chosen.name}")
    store = Evaluations(folder, resume)
    with SampleProgress() as progress:
        experiment = Experiment(chosen, limit, progress, stored)
        try:
            rows = list(store.evaluate(experiment, recipes))
        except KeyboardInterrupt:
            print(f"interrupted; continue with the same command, --out {folder} --resume", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    _show(rows, folder, as_json)


def _difference(row: AccuracyRow) -> tuple[str, str, str]:
    """From fp32, its interval and what it says; nothing where the logits are those of fp32."""
    from immabench.accuracy.card import verdict

    if row.sqnr_db is None:
        return "", "", ""
    low, high = (100 * end for end in row.difference_interval)
    return f"{100 * row.difference:+.2f}", f"{low:+.2f} to {high:+.2f}", verdict(row)


def _show(rows: Sequence[AccuracyRow], folder: Path, as_json: bool) -> None:
    from immabench.accuracy.card import MIB
    from immabench.cli.output import print_json, print_table

    if as_json:
        print_json({"out": str(folder), "rows": [row.model_dump(mode="json") for row in rows]})
        return
    columns = (
        "recipe",
        "precision",
        "top-1 %",
        "interval",
        "from fp32, points",
        "its interval",
        "verdict",
        "SQNR dB",
        "MiB",
    )
    lines = (
        (
            row.recipe,
            row.precision,
            f"{100 * row.accuracy_top1:.2f}",
            "{:.2f} to {:.2f}".format(*(100 * end for end in row.accuracy_interval)),
            *_difference(row),
            "" if row.sqnr_db is None else f"{row.sqnr_db:.1f}",
            f"{row.size_bytes / MIB:.2f}",
        )
        for row in rows
    )
    first = rows[0]
    print_table(f"{first.title} on {first.data}, {first.samples} samples, simulated", columns, lines)
    for row in rows:
        for reason in row.fallbacks:
            print(f"{row.recipe}: {reason}")
    if first.watermark:
        print(f"note: {first.title} was {first.watermark}")
    print(f"rows: {folder}")
