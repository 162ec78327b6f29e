"""`immabench export`: a quantized model as a file of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from immabench.cli.options import JsonOption
from immabench.cli.trained import (
    CalibrationOption,
    ModelArgument,
    SetOption,
    WeightsOption,
    chosen_quantized,
)

if TYPE_CHECKING:
    from immabench.export import Exported

FORMATS = ("onnx",)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(export)


def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    model: ModelArgument = "",
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="fp32, w8a8 and so on; w8a8 without.")
    ] = "",
    changes: SetOption = None,
    engine: Annotated[str, typer.Option("--engine", help="Whose patterns: onnxruntime or tensorrt.")] = "onnxruntime",
    opset: Annotated[int | None, typer.Option("--opset", help="Of ONNX; 21, of bf16 22, without.")] = None,
    format_: Annotated[str, typer.Option("--format", help="Only onnx.")] = "onnx",
    weights: WeightsOption = None,
    calibration: CalibrationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a trained model with a recipe, or a folder of `immabench quantize`, as ONNX with Q/DQ.

    Says which layers the engine computes in floats though the recipe quantizes them, and why.

    Example: immabench export resnet18 --recipe w8a8 --out resnet18-w8a8.onnx
    """
    from immabench.accuracy.experiment import Experiment
    from immabench.cli.progress import SampleProgress
    from immabench.export import engine_named, export_onnx

    _check(format_, out)
    engine_named(engine)
    chosen, wanted, stored = chosen_quantized(model, recipe, changes, weights, None, calibration)
    with SampleProgress() as progress:
        quantized = Experiment(chosen, progress=progress, stored=stored).quantized(wanted)
    made = export_onnx(quantized, out, engine, opset, chosen.dimensions, chosen.name)
    _show(made, chosen.watermark, as_json)


def _check(format_: str, out: Path) -> None:
    """What is wrong before anything is calibrated."""
    from immabench.errors import NothingSelectedError, UsageError

    if format_ not in FORMATS:
        raise NothingSelectedError.nearest("format", format_, FORMATS)
    if not out.parent.is_dir() or out.is_dir():
        reason = "it is a folder" if out.is_dir() else f"there is no folder {out.parent}"
        raise UsageError(f"{out} cannot be written ({reason})", "choose another --out")


def _show(made: Exported, watermark: str, as_json: bool) -> None:
    from dataclasses import asdict

    from immabench.accuracy.card import MIB
    from immabench.cli.output import print_json, print_table

    if as_json:
        print_json({**asdict(made), "path": str(made.path), "watermark": watermark})
        return
    print_table("", ("operator", "nodes"), made.operators.items(), numeric=("nodes",))
    for layer, reason in made.in_floats.items():
        print(f"in floats: {layer}: {reason}")
    for note in made.notes:
        print(f"note: {note}")
    if watermark:
        print(f"note: this model was {watermark}")
    print(f"for {made.engine}, opset {made.opset}, IR version {made.ir_version}, {made.size_bytes / MIB:.2f} MiB")
    print(made.path)
