"""Runs cells one after the other, each in a process of its own; whatever happens becomes a row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from immabench.accuracy.experiment import Experiment, precision, versions
from immabench.accuracy.outputs import Logits, Progress, correct, silent
from immabench.accuracy.statistics import paired_difference, proportion
from immabench.e2e import asking
from immabench.e2e.artifacts import ArtifactFolder
from immabench.e2e.asking import CellFailedError, Worker, ask, prepare, refusal
from immabench.e2e.folder import E2eFolder
from immabench.e2e.latency import Latency
from immabench.e2e.plan import REFERENCE, Cell, Conditions
from immabench.e2e.rows import E2eRow, Status
from immabench.e2e.source import ModelSource
from immabench.errors import ImmabenchError
from immabench.hardware import cpu_info
from immabench.measure.run_folder import utc_now
from immabench.measure.statistics import judge, ratio_interval
from immabench.models.runtimes.registry import runtime
from immabench.quantize.plans import plan

CHUNK_BATCHES = 4
"""Batches of evaluation data a request, so that progress is seen."""


class E2eBench:
    """Measures cells of one model into a folder, under the same conditions.

    Rows that are in the folder and are ok are not measured again. `began` is told of each cell that is measured.
    """

    def __init__(
        self,
        experiment: Experiment,
        source: ModelSource,
        conditions: Conditions,
        folder: E2eFolder,
        progress: Progress = silent,
        began: Callable[[Cell], None] = lambda cell: None,
    ) -> None:
        self._experiment, self._source, self._conditions = experiment, source, conditions
        self._folder, self._progress, self._began = folder, progress, began
        self._artifacts = ArtifactFolder(folder.path / "artifacts", experiment)
        self._first: tuple[Cell, E2eRow] | None = None

    def rows(self, cells: Sequence[Cell]) -> Iterator[E2eRow]:
        """The rows of each cell in turn; then the first point that was measured once more, in `meta["drift"]`."""
        self._first = None
        for cell in cells:
            yield from self._cell_rows(cell)
        if self._first is not None:
            self._folder.write_meta(drift=self._drift(*self._first))

    def _cell_rows(self, cell: Cell) -> Iterator[E2eRow]:
        refused = refusal(cell, self._conditions)
        if refused is not None:
            yield self._refused(cell, *refused)
            return
        known = [self._folder.row(self._key(cell, batch)) for batch in self._conditions.batches]
        if all(row is not None and row.status == "ok" for row in known):
            yield from (row for row in known if row is not None)
            return
        worker = asking.new_worker(cell)
        try:
            yield from self._measured(cell, worker)
        except (CellFailedError, ImmabenchError) as error:
            failed = error.status if isinstance(error, CellFailedError) else "error"
            yield self._kept(self._row(cell, status=failed, reason=str(error)))
        finally:
            worker.stop()

    def _refused(self, cell: Cell, status: Status, reason: str) -> E2eRow:
        row = self._row(cell, status=status, reason=reason)
        before = self._folder.row(row.key)
        return before if before is not None and before.reason == reason else self._kept(row)

    def _measured(self, cell: Cell, worker: Worker) -> Iterator[E2eRow]:
        """Times first, while memory is no more than each batch takes; then logits; then a row a batch."""
        self._began(cell)
        prepared = self._prepare(cell, worker)
        points: dict[int, dict[str, Any]] = {}
        for batch in self._conditions.batches:
            points[batch] = self._point(worker, batch)
            if points[batch].get("failed", ("error",))[0] != "error":
                self._prepare(cell, worker)  # that process is gone
        accuracy = self._accuracy(cell, worker)
        for batch, found in points.items():
            yield self._point_row(cell, batch, {**prepared, **accuracy}, found)

    def _prepare(self, cell: Cell, worker: Worker) -> dict[str, Any]:
        found = prepare(worker, cell, self._source, self._conditions, self._artifacts)
        return {**found, "fallbacks": fallbacks(cell, self._experiment, self._artifacts)}

    def _point(self, worker: Worker, batch: int) -> dict[str, Any]:
        """What one batch took; `{"failed": (status, why)}` where it gave nothing."""
        request = {"do": "latency", "batch": batch, "length": self._conditions.length}
        try:
            return self._ask(worker, {**request, "seconds": self._conditions.seconds})
        except CellFailedError as failure:
            return {"failed": (failure.status, failure.reason)}

    def _accuracy(self, cell: Cell, worker: Worker) -> dict[str, Any]:
        """The accuracy fields of the cell's rows; where it was not found, status and reason: times stay."""
        try:
            logits = self._logits(cell, worker)
        except CellFailedError as failure:
            return {"status": failure.status, "reason": f"accuracy: {failure.reason}"}
        reference = logits if cell.is_reference else self._reference()
        labels = self._experiment.data.labels
        right, theirs = correct(logits, labels), correct(reference, labels)
        top1, paired = proportion(int(right.sum()), len(labels)), paired_difference(right, theirs)
        return {
            "samples": len(labels),
            "accuracy_top1": top1.value,
            "accuracy_interval": top1.interval,
            "reference_top1": float(theirs.mean()),
            "difference": paired.value,
            "difference_interval": paired.interval,
            "p_value": paired.p_value,
            "gained": paired.gained,
            "lost": paired.lost,
            "distinguishable": paired.distinguishable,
        }

    def _reference(self) -> Logits:
        """Of torch in fp32: those of its cell where that came first, else found for this alone."""
        path = self._folder.logits(self._cell_key(REFERENCE))
        if path.is_file():
            return _load(path)
        worker = asking.new_worker(REFERENCE)
        try:
            self._prepare(REFERENCE, worker)
            return self._logits(REFERENCE, worker)
        finally:
            worker.stop()

    def _logits(self, cell: Cell, worker: Worker) -> Logits:
        """Of the evaluation data, by this very runtime."""
        path = self._folder.logits(self._cell_key(cell))
        total, chunk = len(self._experiment.data), CHUNK_BATCHES * self._experiment.model.batch
        for start in range(0, 0 if path.is_file() else total, chunk):
            self._progress(f"{cell.runtime} {cell.precision}: accuracy", start, total)
            stop = min(start + chunk, total)
            self._ask(worker, {"do": "evaluate", "start": start, "stop": stop, "path": str(path)})
        return _load(path)

    def _point_row(self, cell: Cell, batch: int, common: dict[str, Any], found: dict[str, Any]) -> E2eRow:
        if "failed" in found:
            status, reason = found["failed"]
            return self._kept(self._row(cell, batch, **{**common, "status": status, "reason": reason}))
        times = found["times_us"]
        latency = Latency.of(times)
        figures = {
            "status": "invalid" if found["distrust"] else "ok",
            "reason": found["distrust"],
            "latency_ms_p50": latency.p50,
            "latency_ms_interval": latency.interval,
            "latency_ms_p90": latency.p90,
            "latency_ms_p99": latency.p99,
            "runs": latency.runs,
            "throughput": 1e3 * batch / latency.p50,
            "memory_bytes": found["memory_bytes"],
            "others_share": found["others_share"],
            **self._speedup(cell, batch, times),
        }
        row = self._kept(self._row(cell, batch, **{**figures, **common}), times)
        if row.status == "ok" and self._first is None:
            self._first = cell, row
        return row

    def _speedup(self, cell: Cell, batch: int, times: Sequence[float]) -> dict[str, Any]:
        if cell.is_reference:
            return {"speedup": 1.0}
        baseline = self._folder.row(self._key(REFERENCE, batch))
        if baseline is None or baseline.status != "ok":
            return {}
        ratio = ratio_interval(times, self._folder.samples(baseline))
        return {"speedup": ratio.value, "speedup_interval": ratio.interval}

    def _drift(self, cell: Cell, first: E2eRow) -> dict[str, Any]:
        """The first point again, at the end: what the machine did meanwhile."""
        worker = asking.new_worker(cell)
        try:
            self._prepare(cell, worker)
            again = self._point(worker, first.batch or 1)
        except (CellFailedError, ImmabenchError) as error:
            return {"point": first.point, "reason": str(error)}
        finally:
            worker.stop()
        if "failed" in again:
            return {"point": first.point, "reason": again["failed"][1]}
        ratio = ratio_interval(self._folder.samples(first), again["times_us"])
        verdict, _ = judge(ratio)
        late = Latency.of(again["times_us"]).p50
        figures = {"first_ms": first.latency_ms_p50, "last_ms": late, "ratio": ratio.value}
        return {"point": first.point, **figures, "interval": ratio.interval, "verdict": verdict}

    def _row(self, cell: Cell, batch: int | None = None, **found: Any) -> E2eRow:
        experiment, conditions = self._experiment, self._conditions
        model, plans = experiment.model, plan(cell.recipe, experiment.traced.layers)
        common = {
            "backend": "",
            "samples": 0,
            "length": conditions.length if batch else None,
            "fallbacks": [],
        }
        return E2eRow(
            key=self._key(cell, batch),
            model=model.name,
            title=model.title,
            watermark=model.watermark,
            runtime=cell.runtime,
            device=conditions.device,
            precision=cell.precision,
            recipe=cell.recipe.name,
            recipe_digest=cell.recipe.digest,
            computed=precision(cell.recipe, plans, experiment.traced),
            data=experiment.data.name,
            data_digest=experiment.data.digest,
            weights_digest=experiment.weights_digest,
            batch=batch,
            threads=conditions.threads,
            machine=cpu_info().name,
            versions=versions(),
            measured_at=utc_now(),
            **{**common, **found},
        )

    def _kept(self, row: E2eRow, times_us: list[float] | None = None) -> E2eRow:
        self._folder.add(row, times_us)
        return row

    def _cell_key(self, cell: Cell) -> str:
        """Names what the logits of a cell depend on."""
        here, conditions = runtime(cell.runtime).availability(), self._conditions
        more = (cell.runtime, here.detail, conditions.device, str(conditions.threads), cpu_info().name)
        return self._experiment.key(cell.recipe, None, *more)

    def _key(self, cell: Cell, batch: int | None) -> str:
        conditions = asdict(self._conditions)
        point = (self._cell_key(cell), cell.precision, batch, conditions["length"], conditions["seconds"])
        return hashlib.sha256(repr(point).encode()).hexdigest()[:16]

    def _ask(self, worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
        return ask(worker, request, self._conditions.timeout)


def fallbacks(cell: Cell, experiment: Experiment, artifacts: ArtifactFolder) -> list[str]:
    """Layers that compute with more than asked: by the recipe's plan, and by what the runtime's format can hold."""
    planned = [f"{one.layer}: {one.fallback}" for one in plan(cell.recipe, experiment.traced.layers) if one.fallback]
    return list(dict.fromkeys(planned + artifacts.in_floats(cell.recipe, runtime(cell.runtime).needs)))


def _load(path: Any) -> Logits:
    logits: Logits = np.load(path)
    return logits
