"""The worker of a cell within the test's own process, with the failures of a real one on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from immabench.e2e.worker import CellWorker

Spoil = Callable[[dict[str, Any]], dict[str, Any] | None]


class InProcess:
    """Answers as `measure.worker_process.WorkerProcess` of `e2e.worker`; `asked` remembers every request of all.

    `spoil` may answer in its place; after a crash or a timeout the next request meets a fresh worker, as there.
    """

    asked: list[dict[str, Any]]
    spoil: Spoil

    def __init__(self) -> None:
        self._worker = CellWorker()

    def answer(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        self.asked.append(dict(request))
        spoiled = type(self).spoil(request)
        if spoiled is None:
            return self._worker.answer(request)
        if "error" not in spoiled:
            self._worker = CellWorker()
        return spoiled

    def stop(self) -> None:
        pass


def fresh() -> type[InProcess]:
    """A class of its own a test."""
    return type("Fresh", (InProcess,), {"asked": [], "spoil": staticmethod(lambda request: None)})
