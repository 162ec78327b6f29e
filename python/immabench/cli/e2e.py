"""`immabench e2e`: what each runtime and precision costs a model end to end, and gives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import ForceOption, JsonOption, OutRunOption
from immabench.cli.runtimes import (
    BatchOption,
    DeviceOption,
    LengthOption,
    Request,
    RuntimeOption,
    SecondsOption,
    TimeoutOption,
)
from immabench.cli.trained import CalibrationOption, DataOption, LimitOption, ModelArgument, WeightsOption

if TYPE_CHECKING:
    from immabench.e2e.folder import E2eFolder
    from immabench.e2e.plan import Cell
    from immabench.e2e.rows import E2eRow

INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(e2e)


def e2e(
    model: ModelArgument = "",
    runtime: RuntimeOption = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="P,..",
            help="fp32, fp16, bf16, int8 (recipe w8a8), int4 (w4a8), recipes; commas or repeated. fp32,int8 without.",
        ),
    ] = None,
    batch: BatchOption = None,
    length: LengthOption = None,
    seconds: SecondsOption = 2.0,
    limit: LimitOption = None,
    device: DeviceOption = "",
    weights: WeightsOption = None,
    data: DataOption = None,
    calibration: CalibrationOption = None,
    timeout: TimeoutOption = 3600.0,
    out: OutRunOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --out: go on; rows that are ok stay.")] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a trained model, or a folder of `immabench quantize`, by several runtimes and precisions.

    Latency, throughput, memory, size and accuracy on the evaluation data, beside torch in fp32, each in its own
    process.

    Exits 1 when a cell failed, 5 for unknown names, 77 where no runtime has the hardware it needs.

    Example: immabench e2e resnet18 --runtime torch,immabench,onnxruntime --precision fp32,bf16,int8
    """
    from immabench.cli.progress import SampleProgress
    from immabench.e2e.bench import E2eBench
    from immabench.e2e.report import build_report
    from immabench.e2e.rows import FAILED
    from immabench.errors import UsageError

    if resume and out is None:
        raise UsageError("--resume continues a folder", "name it with --out")
    request = Request.of(model, runtime, precision or ["fp32", "int8"], weights, data, calibration, limit)
    conditions = request.conditions(device, batch, length, seconds, timeout)
    folder = _folder(request, out, resume, force)
    with SampleProgress() as progress:
        bench = E2eBench(request.experiment, request.source, conditions, folder, progress, _tell_begin)
        try:
            rows = [_told(row) for row in bench.rows(request.cells)]
        except KeyboardInterrupt:
            print(f"interrupted; continue with the same command, --out {folder.path} --resume", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    report = build_report(folder.path)
    _show(rows, folder, report, as_json)
    if any(row.status in FAILED for row in rows):
        raise typer.Exit(1)


def _folder(request: Request, out: Path | None, resume: bool, force: bool) -> E2eFolder:
    from immabench.e2e.folder import E2eFolder
    from immabench.measure.run_folder import new_run_path

    if resume and out is not None and out.exists():
        return E2eFolder.open(out)
    path = out or new_run_path(f"e2e-{request.source.name}")
    return E2eFolder.create(path, force, request.meta(sys.argv))


def _tell_begin(cell: Cell) -> None:
    print(f"{cell.runtime} {cell.precision}: preparing, timing", file=sys.stderr, flush=True)


def _told(row: E2eRow) -> E2eRow:
    """A line on standard error as each row comes."""
    figures = f"{row.latency_ms_p50:.3f} ms" if row.latency_ms_p50 is not None else ""
    print(f"{row.point}: {row.status} {figures or row.reason}", file=sys.stderr, flush=True)
    return row


def _show(rows: Sequence[E2eRow], folder: E2eFolder, report: Path, as_json: bool) -> None:
    from immabench.cli.output import print_json, print_table
    from immabench.e2e.report import COLUMNS, cells_of, lead, notes

    drift: dict[str, Any] | None = folder.meta.get("drift")
    if as_json:
        lines = [row.model_dump(mode="json") for row in rows]
        print_json({"out": str(folder.path), "report": str(report), "drift": drift, "rows": lines})
        return
    first = rows[0]
    title = f"{first.title} on {first.data}, {first.device}, {first.threads} threads"
    print_table(title, [column.title for column in COLUMNS], [[cell.text for cell in cells_of(row)] for row in rows])
    for line in filter(None, [lead(rows), *notes(rows, drift)]):
        print(line)
    print(f"report: {report}")
