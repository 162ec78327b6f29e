"""Options of commands that run whole models, and what they mean together: who runs what, under which conditions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.trained import stored_model

if TYPE_CHECKING:
    from immabench.accuracy.experiment import Experiment
    from immabench.e2e.plan import Cell, Conditions
    from immabench.e2e.source import ModelSource
    from immabench.models.runtimes.base import Device

RuntimeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--runtime",
        metavar="R,..",
        help="torch, torch-compiled, immabench, onnxruntime, onnxruntime-cuda, onnxruntime-tensorrt; commas or "
        "repeated. torch without.",
    ),
]
BatchOption = Annotated[
    list[str] | None, typer.Option("--batch", metavar="N,..", help="Samples a run; commas or repeated.")
]
LengthOption = Annotated[
    int | None, typer.Option("--length", min=1, help="Tokens of each sample, of models that take tokens; 128 without.")
]
SecondsOption = Annotated[float, typer.Option("--seconds", min=0.01, help="Timed runs a point, seconds.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu or cuda; cuda where torch has it, without.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Longest that a runtime may not answer, seconds.")
]


@dataclass(frozen=True)
class Request:
    """A model, who runs it, and with which recipes."""

    source: ModelSource
    stored: Path | None
    cells: list[Cell]

    @classmethod
    def of(
        cls,
        name: str,
        runtimes: Sequence[str] | None,
        precisions: Sequence[str],
        weights: Path | None = None,
        data: Path | None = None,
        calibration: Path | None = None,
        limit: int | None = None,
    ) -> Request:
        """What options say. Raises NothingSelectedError for unknown names, and what `require_one` raises."""
        from immabench.e2e.plan import chosen_recipes, names, ordered_cells
        from immabench.e2e.source import ModelSource
        from immabench.models.runtimes.registry import require_one
        from immabench.models.trained import NEEDS_NOTHING
        from immabench.quantize.files import read_description

        stored = stored_model(name)
        description = read_description(stored) if stored else None
        chosen = description.model if description else name or NEEDS_NOTHING
        source = ModelSource(chosen, _text(weights), _text(data), _text(calibration), limit)
        wanted = names(runtimes or ["torch"])
        require_one(wanted)
        recipes = chosen_recipes(source.model.recipes, names(precisions), description.recipe if description else None)
        return cls(source, stored, ordered_cells(wanted, recipes))

    @cached_property
    def experiment(self) -> Experiment:
        """The model with its data, in this process: what is made once for all cells."""
        from immabench.accuracy.experiment import Experiment

        return Experiment(self.source.model, self.source.limit, stored=self.stored)

    def conditions(
        self, device: str, batches: Sequence[str] | None, length: int | None, seconds: float, timeout: float
    ) -> Conditions:
        """The same for all cells, checked against the model: raises before anything is measured or written."""
        import torch

        from immabench.e2e.inputs import chosen_length, input_sets
        from immabench.e2e.plan import BATCHES, REFERENCE, Conditions, names
        from immabench.models.runtimes.base import Artifacts
        from immabench.models.runtimes.registry import runtime
        from immabench.quantize.plans import plan

        chosen = _device(device)
        sizes = tuple(map(_positive, names(batches))) if batches else BATCHES
        model = self.source.model
        tokens = chosen_length(model.dimensions, length)
        data = self.experiment.data
        for cell in self.cells:
            plan(cell.recipe, self.experiment.traced.layers)
        if tokens is not None:
            tried = Artifacts(REFERENCE.recipe, model.load, lambda: self.experiment.quantized(REFERENCE.recipe))
            runtime("torch").prepare(tried, "cpu").run(input_sets(data, 1, tokens)[0])
        return Conditions(chosen, sizes, tokens, seconds, torch.get_num_threads(), timeout)

    def meta(self, argv: Sequence[str]) -> dict[str, Any]:
        """What `run.json` says before the first row."""
        from immabench.accuracy.experiment import versions
        from immabench.hardware import machine_summary
        from immabench.measure.run_folder import utc_now
        from immabench.provenance import git_state

        return {
            "argv": list(argv),
            "started_utc": utc_now(),
            "finished_utc": None,
            "git": git_state(Path(__file__).parent),
            "versions": {"python": sys.version.split()[0], **versions()},
            "machine": machine_summary(),
            "model": self.source.as_dict(),
            "drift": None,
        }


def _device(asked: str) -> Device:
    """Raises UsageError for an unknown device, MissingHardwareError for a GPU that torch has not."""
    import torch

    from immabench.errors import MissingHardwareError, UsageError

    if asked not in ("", "cpu", "cuda"):
        raise UsageError(f"unknown device {asked!r}", "choose one of cpu, cuda")
    if asked == "cuda" and not torch.cuda.is_available():
        raise MissingHardwareError("torch has no CUDA device here", "run with --device cpu")
    return "cuda" if torch.cuda.is_available() and asked != "cpu" else "cpu"


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _positive(text: str) -> int:
    from immabench.errors import UsageError

    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(f"a batch of {text!r} samples", "give whole numbers from 1 on: --batch 1,8")
    return int(text)
