"""`immabench dispatch`: which kernel runs each layer of a model, in which precision, and for how long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from immabench.cli.options import JsonOption
from immabench.cli.runtimes import DeviceOption, LengthOption, Request, RuntimeOption, SecondsOption, TimeoutOption
from immabench.cli.trained import CalibrationOption, DataOption, ModelArgument, WeightsOption

if TYPE_CHECKING:
    from immabench.e2e.dispatch import Dispatch, DispatchLine
    from immabench.e2e.plan import Conditions

MOST_LETTERS = 44
"""Of a kernel's name in the table; JSON has it whole."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(dispatch)


def dispatch(
    model: ModelArgument = "",
    runtime: RuntimeOption = None,
    precision: Annotated[
        str, typer.Option("--precision", help="One of fp32, fp16, bf16, int8 (w8a8), int4 (w4a8), or a recipe.")
    ] = "fp32",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples a run.")] = 1,
    length: LengthOption = None,
    seconds: SecondsOption = 1.0,
    device: DeviceOption = "",
    weights: WeightsOption = None,
    data: DataOption = None,
    calibration: CalibrationOption = None,
    timeout: TimeoutOption = 3600.0,
    as_json: JsonOption = False,
) -> None:
    """Show layer by layer which kernel each runtime chose, what it took, and what changing formats took besides.

    Example: immabench dispatch resnet18 --runtime onnxruntime --runtime immabench --precision int8
    """
    from immabench.cli.output import print_json

    request = Request.of(model, runtime, [precision], weights, data, calibration)
    conditions = request.conditions(device, [str(batch)], length, seconds, timeout)
    found = list(_dispatched(request, conditions))
    if as_json:
        layers = [asdict(line) for one in found for line in one.lines]
        print_json({"model": request.source.name, "batch": batch, "layers": layers, "totals": _totals(found)})
    else:
        _show(request, found, batch)


def _dispatched(request: Request, conditions: Conditions) -> Iterator[Dispatch]:
    from immabench.e2e import asking
    from immabench.e2e.artifacts import ArtifactFolder
    from immabench.e2e.dispatch import dispatch
    from immabench.errors import ImmabenchError

    with tempfile.TemporaryDirectory() as folder:
        artifacts = ArtifactFolder(Path(folder), request.experiment)
        for cell in request.cells:
            worker = asking.new_worker(cell)
            try:
                yield dispatch(cell, request.experiment, request.source, conditions, artifacts, worker)
            except asking.CellFailedError as failure:
                raise ImmabenchError(f"{cell.runtime} {cell.precision}: {failure.reason}") from failure
            finally:
                worker.stop()


def _totals(found: Sequence[Dispatch]) -> list[dict[str, object]]:
    return [
        {
            "runtime": one.runtime,
            "precision": one.precision,
            "backend": one.backend,
            "time_us": one.time_us,
            "reformat_us": one.reformat_us,
            "run_us": one.run_us,
        }
        for one in found
    ]


def _show(request: Request, found: Sequence[Dispatch], batch: int) -> None:
    from immabench.cli.output import print_table
    from immabench.e2e.dispatch import side_by_side

    several = len(found) > 1
    heads = [f"{one.runtime} {name}" if several else name for one in found for name in _heads(several)]
    rows = [[name, *(cell for line in lines for cell in _cells(line, several))] for name, lines in side_by_side(found)]
    blank = [""] * (len(_heads(several)) - 2)
    total = [cell for one in found for cell in (*blank, f"{one.time_us:,.1f}", f"{one.reformat_us:,.1f}")]
    numeric = [head for head in heads if head.endswith("us")]
    print_table(f"{request.source.model.title}, batch {batch}", ["layer", *heads], [*rows, ["total", *total]], numeric)
    for one in found:
        print(f"{one.runtime} {one.precision} ran on {one.backend}; {one.run_us:,.1f} us a run without the profiler")
        for line in one.lines:
            if line.fallback or line.note:
                print(f"{one.runtime} {line.name}: {f'fell back, {line.fallback}' if line.fallback else line.note}")


def _heads(several: bool) -> tuple[str, ...]:
    """Beside another runtime a kernel's name says the operator."""
    return ("precision", "kernel", "us", "reformat us") if several else ("op", *_heads(True))


def _cells(line: DispatchLine | None, several: bool) -> list[str]:
    if line is None:
        return [""] * len(_heads(several))
    kernel = line.kernel if len(line.kernel) <= MOST_LETTERS else f"{line.kernel[: MOST_LETTERS - 1]}…"
    mark = " (fell back)" if line.fallback else ""
    cells = [line.op, line.precision + mark, kernel, f"{line.time_us:,.1f}", f"{line.reformat_us:,.1f}"]
    return cells[1:] if several else cells
