"""The process of a cell: how its runs are named for profilers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from immabench.e2e import worker
from immabench.e2e.worker import CellWorker


def test_timed_runs_are_in_a_range_of_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    @contextmanager
    def nvtx_range(name: str) -> Iterator[None]:
        seen.append(f"push {name}")
        yield
        seen.append("pop")

    def time_runs(launches: list[Any], batch: int, seconds: float) -> Any:
        seen.append("timed")
        return SimpleNamespace(times_us=(1.0,), distrust="")

    monkeypatch.setattr(worker, "nvtx_range", nvtx_range)
    monkeypatch.setattr(worker, "time_runs", time_runs)
    monkeypatch.setattr(worker, "input_sets", lambda *_: [])
    cell = CellWorker()
    cell._session, cell._data, cell._before = SimpleNamespace(backend="torch-cpu"), None, None  # type: ignore[assignment]
    assert cell.answer({"do": "latency", "batch": 8, "length": None, "seconds": 0.1})["times_us"] == [1.0]
    assert seen == ["push e2e torch-cpu batch 8", "timed", "pop"]
