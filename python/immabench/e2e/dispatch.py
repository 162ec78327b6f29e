"""Who computes each layer: a line a layer and runtime, every layer of the model among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from immabench.accuracy.experiment import Experiment
from immabench.e2e.artifacts import ArtifactFolder
from immabench.e2e.asking import Worker, ask, prepare, refusal
from immabench.e2e.bench import fallbacks
from immabench.e2e.plan import Cell, Conditions
from immabench.e2e.source import ModelSource
from immabench.errors import UsageError
from immabench.models.runtimes.base import LayerTiming
from immabench.quantize.plans import LayerPlan, plan

FLOATS = ("fp32", "fp16", "bf16")
NO_KERNEL = "no kernel of its own: fused into another, or by no module"


@dataclass(frozen=True)
class DispatchLine:
    """A layer, or what is none, by one runtime. Microseconds; `fallback` is why it computes with more than asked."""

    name: str
    op: str
    precision: str
    kernel: str
    time_us: float
    reformat_us: float
    runtime: str
    note: str = ""
    fallback: str = ""


@dataclass(frozen=True)
class Dispatch:
    """What a runtime dispatched; `run_us` is the median of whole runs without a profiler."""

    runtime: str
    precision: str
    backend: str
    lines: list[DispatchLine]
    run_us: float

    @property
    def time_us(self) -> float:
        """Of all kernels that compute."""
        return sum(line.time_us for line in self.lines)

    @property
    def reformat_us(self) -> float:
        """Of all that only change types, codes and layouts."""
        return sum(line.reformat_us for line in self.lines)


def dispatch(
    cell: Cell,
    experiment: Experiment,
    source: ModelSource,
    conditions: Conditions,
    artifacts: ArtifactFolder,
    worker: Worker,
) -> Dispatch:
    """Inspect a cell at the first batch of `conditions`.

    Raises UsageError for a runtime that cannot run it here, CellFailedError where its process failed.
    """
    refused = refusal(cell, conditions)
    if refused is not None:
        raise UsageError(f"{cell.runtime} {cell.precision}: {refused[1]}", "choose another runtime or precision")
    prepared = prepare(worker, cell, source, conditions, artifacts)
    request = {"do": "inspect", "batch": conditions.batches[0], "length": conditions.length}
    found = ask(worker, {**request, "seconds": conditions.seconds}, conditions.timeout)
    timings = [LayerTiming(**line) for line in found["layers"]]
    reasons = dict(one.split(": ", 1) for one in fallbacks(cell, experiment, artifacts))
    lines = joined(cell, plan(cell.recipe, experiment.traced.layers), timings, reasons)
    return Dispatch(cell.runtime, cell.precision, prepared["backend"], lines, median(found["times_us"]))


def joined(
    cell: Cell, plans: Sequence[LayerPlan], timings: Sequence[LayerTiming], reasons: Mapping[str, str]
) -> list[DispatchLine]:
    """Every timing, and every layer of the model: one that has no kernel of its own behind the layer before it."""
    by_layer = {one.layer: one for one in plans}
    lines = [_line(cell, timing, by_layer.get(timing.name), reasons) for timing in timings]
    names = [line.name for line in lines]
    place = 0
    for one in plans:
        if one.layer not in names:
            missing = LayerTiming(one.layer, one.kind, one.precision or cell.recipe.floats, "", 0.0, note=NO_KERNEL)
            names.insert(place, one.layer)
            lines.insert(place, _line(cell, missing, one, reasons))
        place = names.index(one.layer) + 1
    return lines


def side_by_side(found: Sequence[Dispatch]) -> Iterator[tuple[str, list[DispatchLine | None]]]:
    """Each name with the line that every runtime has of it, in an order that keeps that of each."""
    names: list[str] = []
    for one in found:
        place = 0
        for line in one.lines:
            if line.name not in names:
                names.insert(place, line.name)
            place = max(place, names.index(line.name) + 1)
    by_name = [{line.name: line for line in one.lines} for one in found]
    yield from ((name, [lines.get(name) for lines in by_name]) for name in names)


def _line(cell: Cell, timing: LayerTiming, planned: LayerPlan | None, reasons: Mapping[str, str]) -> DispatchLine:
    line = DispatchLine(
        timing.name,
        timing.op,
        timing.precision,
        timing.kernel,
        timing.time_us,
        timing.reformat_us,
        cell.runtime,
        timing.note,
        reasons.get(timing.name, ""),
    )
    asked = planned.precision if planned is not None else ""
    if asked and line.precision in FLOATS and not line.fallback:
        return replace(line, fallback=f"computed in {line.precision}, {asked} was asked for")
    return line
