"""What is asked of the process of a cell, and what its silence means."""

from __future__ import annotations

from typing import Any, Protocol

from immabench.e2e.artifacts import ArtifactFolder
from immabench.e2e.plan import Cell, Conditions
from immabench.e2e.rows import Status
from immabench.e2e.source import ModelSource
from immabench.measure.worker_process import WorkerProcess
from immabench.models.runtimes.registry import runtime

WORKER = "immabench.e2e.worker"
"""The module that such a process runs."""


class Worker(Protocol):
    """`measure.worker_process.WorkerProcess`, as far as it is used here."""

    def answer(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """The reply to a request; the process's death and its silence are replies too."""

    def stop(self) -> None:
        """End the process."""


class CellFailedError(Exception):
    """A cell gave no result: the status of its row, and why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def new_worker(cell: Cell) -> Worker:
    """A process for one cell, with the variables that its runtime wants; it starts when first asked."""
    return WorkerProcess(WORKER, runtime(cell.runtime).environment)


def ask(worker: Worker, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
    """The reply. Raises CellFailedError for an error, a crash, and none in time."""
    reply = worker.answer(request, timeout_seconds)
    failures: tuple[Status, ...] = ("crashed", "timeout", "error")
    for status in failures:
        if status in reply:
            raise CellFailedError(status, reply[status])
    return reply


def prepare(
    worker: Worker, cell: Cell, source: ModelSource, conditions: Conditions, artifacts: ArtifactFolder
) -> dict[str, Any]:
    """Have a cell made ready: its `backend` and `size_bytes`. Raises as `ask`, and what making artifacts raises."""
    needs = runtime(cell.runtime).needs
    quantized, onnx = artifacts.quantized(cell.recipe, needs), artifacts.onnx(cell.recipe, needs)
    request = {
        "do": "prepare",
        "source": source.as_dict(),
        "runtime": cell.runtime,
        "device": conditions.device,
        "recipe": cell.recipe.model_dump(mode="json"),
        "quantized": str(quantized) if quantized else None,
        "onnx": str(onnx) if onnx else None,
        "threads": conditions.threads,
    }
    return ask(worker, request, conditions.timeout)


def refusal(cell: Cell, conditions: Conditions) -> tuple[Status, str] | None:
    """Why a cell cannot be run here, before anything is made for it; None where it can."""
    provider = runtime(cell.runtime)
    here = provider.availability()
    if not here.ok:
        return "missing", f"{here.detail}; {here.remedy}"
    if conditions.device not in provider.devices:
        return "unsupported", f"computes on {' and '.join(provider.devices)} alone"
    why = provider.unsupported(cell.recipe)
    return ("unsupported", why) if why else None
