"""`immabench difference`: where a simulation, the integer oracles and an engine part, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import JsonOption
from immabench.cli.trained import (
    CalibrationOption,
    DataOption,
    ModelArgument,
    SetOption,
    WeightsOption,
    chosen_quantized,
)

if TYPE_CHECKING:
    from immabench.models.integer.difference import Comparison, Differences, Gap
    from immabench.quantize.quantized import QuantizedModel

ENGINES = ("simulated", "immabench", "emulated", "onnxruntime")
"""What is compared with the oracles; `immabench` is the exact path, `emulated` the kernels' source."""

USUAL = ("simulated", "immabench", "onnxruntime")

NAMED = 6
"""Layers that are named behind the first; the table has all."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(difference)


def difference(
    model: ModelArgument = "",
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="w8a8 and so on, with static scales; w8a8 without.")
    ] = "",
    changes: SetOption = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help=f"Repeatable: {', '.join(ENGINES)}; all but emulated without.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Of the evaluation data.")] = 4,
    weights: WeightsOption = None,
    data: DataOption = None,
    calibration: CalibrationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the codes that layers store, by a simulation in floats, by an engine, and by the integer oracles.

    Names the first layer whose codes differ and the rule that makes them: ties, requantization, residuals, sums. Then
    every other layer that computes otherwise, given the codes that it was given.

    Example: immabench difference resnet18 --recipe w8a8 --engine onnxruntime
    """
    from immabench.accuracy.experiment import Experiment
    from immabench.cli.progress import SampleProgress
    from immabench.models.integer import lower
    from immabench.models.integer.difference import Differences

    engines = _known(engine or list(USUAL))
    chosen, wanted, stored = chosen_quantized(model, recipe, changes, weights, data, calibration)
    with SampleProgress() as progress:
        experiment = Experiment(chosen, samples, progress, stored)
        quantized = experiment.quantized(wanted)
    _check(quantized)
    inputs = experiment.data.inputs(range(len(experiment.data)))
    differences = Differences(quantized, lower(quantized), *inputs)
    found = {name: _compared(name, differences, quantized, inputs) for name in engines}
    _show(f"{chosen.title}, {wanted.name}, {len(experiment.data)} samples", found, as_json)


def _known(engines: list[str]) -> list[str]:
    from immabench.errors import NothingSelectedError

    for name in engines:
        if name not in ENGINES:
            raise NothingSelectedError.nearest("engine", name, ENGINES)
    return engines


def _check(quantized: QuantizedModel) -> None:
    from immabench.errors import UsageError

    if not quantized.parameters_of:
        raise UsageError(
            f"recipe {quantized.recipe.name} has no static scales, so no codes that could be compared",
            "choose one with activations.scales = static, as w8a8",
        )


def _compared(name: str, differences: Differences, quantized: QuantizedModel, inputs: tuple[Any, ...]) -> Comparison:
    from immabench.models.integer import lower

    if name == "simulated":
        return differences.simulated()
    if name != "onnxruntime":
        return differences.engine(lower(quantized, "emulated" if name == "emulated" else ""))
    from immabench.export.inspection import codes_by_onnxruntime, sums_of_layers

    return differences.of_operands(codes_by_onnxruntime(quantized, *inputs), sums_of_layers(quantized))


def _show(title: str, found: Mapping[str, Comparison], as_json: bool) -> None:
    from dataclasses import asdict

    from immabench.cli.output import print_json, print_table

    if as_json:
        print_json({"title": title, "engines": {name: asdict(one) for name, one in found.items()}})
        return
    cells: dict[tuple[str, bool], dict[str, str]] = {}
    for name, comparison in found.items():
        for gap in comparison.gaps:
            cells.setdefault((gap.layer, gap.computed), {})[name] = _cell(gap)
    rows = (
        (layer if computed else f"input of {layer}", *(by_engine.get(name, "") for name in found))
        for (layer, computed), by_engine in cells.items()
    )
    print_table(f"{title}: codes that differ from the integer oracles'", ("codes of", *found), rows)
    for name, comparison in found.items():
        print(f"{name}: {comparison.first or 'the same everywhere'}")
        others = [gap for gap in comparison.at_fault if comparison.first and gap != comparison.first.gap]
        if others:
            print(f"{name}: {_at_fault(others)}")


def _at_fault(gaps: list[Gap]) -> str:
    """Who computes otherwise too, whatever it was given: those with most codes first."""
    from immabench.readable import join, plural

    worst = sorted(gaps, key=lambda gap: -(gap.own or 0))
    named = [f"{gap.place} ({plural(gap.own or 0, 'code')})" for gap in worst[:NAMED]]
    more = [f"{len(gaps) - NAMED} more"] if len(gaps) > NAMED else []
    return f"given the codes that they read, these differ too: {join(named + more)}"


def _cell(gap: Gap) -> str:
    """How many codes differ, and of how many the layer itself is the cause."""
    if not gap.differing and not gap.own:
        return "same"
    own = "" if gap.own is None else f", {gap.own} its own"
    return f"{gap.differing} of {gap.elements}, by {gap.largest}{own}"
