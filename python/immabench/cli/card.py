"""`immabench card`: one command from a trained model to the page that says what each precision costs it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from immabench.cli.options import JsonOption
from immabench.cli.trained import CalibrationOption, DataOption, LimitOption, ModelArgument, WeightsOption, chosen_model


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(card)


def card(
    model: ModelArgument = "",
    out: Annotated[
        Path, typer.Option("--out", help="A folder for CARD.md and its rows; models/MODEL without.")
    ] = Path(),
    limit: LimitOption = None,
    weights: WeightsOption = None,
    data: DataOption = None,
    calibration: CalibrationOption = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="RUN", help="A run of `immabench e2e`: latencies and sizes too; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the rows that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a model with every recipe of a card, and write CARD.md: accuracy with intervals, size, fallbacks.

    Example: immabench card resnet20 --out cards/resnet20
    """
    from immabench.accuracy.card import card_recipes, render_card
    from immabench.accuracy.evaluations import Evaluations
    from immabench.accuracy.experiment import Experiment
    from immabench.cli.output import print_json
    from immabench.cli.progress import SampleProgress
    from immabench.e2e.card_lines import FILE, card_lines, keep_rows

    chosen = chosen_model(model, weights, data, calibration)
    folder = out if out != Path() else Path("models") / chosen.name
    store = Evaluations(folder, resume)
    recipes = card_recipes(chosen.recipes).values()
    with SampleProgress() as progress:
        experiment = Experiment(chosen, limit, progress)
        if runs:
            keep_rows(runs, experiment.weights_digest, folder / FILE)
        rows = []
        for number, row in enumerate(store.evaluate(experiment, recipes), start=1):
            rows.append(row)
            print(f"[{number}/{len(recipes)}] {row.recipe}: {100 * row.difference:+.2f} points", file=sys.stderr)
    given = (("--limit", limit), ("--weights", weights), ("--data", data), ("--calibration", calibration))
    options = [text for option, value in given if value is not None for text in (option, str(value))]
    measured = card_lines(folder / FILE)
    options += ["--from", "RUN"] if measured else []
    command = shlex.join(["immabench", "card", chosen.name, *options])
    page = folder / "CARD.md"
    page.write_text(render_card(chosen.recipes, rows, command, measured), encoding="utf-8")
    print_json([row.model_dump(mode="json") for row in rows]) if as_json else print(page)
