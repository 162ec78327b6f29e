"""Cells to rows: what is in them, what becomes of failures, what is not done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import InProcess
from toy_models import WRONG

from immabench.accuracy.experiment import Experiment
from immabench.e2e.bench import E2eBench
from immabench.e2e.folder import E2eFolder, read_rows
from immabench.e2e.plan import Cell, Conditions, chosen_recipes, ordered_cells
from immabench.e2e.rows import E2eRow
from immabench.e2e.source import ModelSource
from immabench.errors import RunFolderError
from immabench.measure.run_folder import RunFolder
from immabench.models.runtimes.integer import IntegerSession
from immabench.models.runtimes.pytorch import TorchRuntime, TorchSession
from immabench.providers.base import Availability

CONDITIONS = Conditions("cpu", (1, 4), None, 0.01, 1, 60.0)


def measure(path: Path, cells: list[Cell], conditions: Conditions = CONDITIONS) -> list[E2eRow]:
    folder = E2eFolder.open(path) if path.exists() else E2eFolder.create(path, False, {})
    source = ModelSource("toy")
    return list(E2eBench(Experiment(source.model), source, conditions, folder).rows(cells))


def cells(*runtimes: str, precisions: str = "fp32,int8") -> list[Cell]:
    return ordered_cells(runtimes, chosen_recipes("resnet18", precisions.split(",")))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_rows_of_two_runtimes(workers: type[InProcess], run: Path) -> None:
    rows = measure(run, cells("immabench", "torch"))
    assert [(row.runtime, row.precision, row.batch, row.status) for row in rows] == [
        ("torch", "fp32", 1, "ok"),
        ("torch", "fp32", 4, "ok"),
        ("immabench", "fp32", None, "unsupported"),
        ("immabench", "int8", 1, "ok"),
        ("immabench", "int8", 4, "ok"),
        ("torch", "int8", None, "unsupported"),
    ]
    assert read_rows(run) == rows
    fp32, int8 = rows[0], rows[4]
    assert fp32.accuracy_top1 == fp32.reference_top1 == int8.reference_top1 == (60 - WRONG) / 60
    assert (fp32.speedup, fp32.gained, fp32.lost) == (1.0, 0, 0)
    assert (int8.recipe, int8.computed, int8.samples) == ("w8a8", "W8A8", 60)
    assert int8.difference == pytest.approx((int8.accuracy_top1 or 0) - (int8.reference_top1 or 0))
    assert int8.backend.startswith("immabench ")
    assert int8.size_bytes is not None
    assert int8.size_bytes < (fp32.size_bytes or 0)


def test_figures_are_those_of_the_samples(workers: type[InProcess], run: Path) -> None:
    first, second, *_ = measure(run, cells("torch", precisions="fp32,bf16"))
    folder = E2eFolder.open(run)
    times = folder.samples(second)
    assert second.runs == len(times) >= 8
    assert first.runs >= 20, "at batch 1"
    # Of an even number the median is a mean, which rounds otherwise in other units.
    assert second.latency_ms_p50 == pytest.approx(np.median(times) / 1e3, rel=1e-12)
    assert second.throughput == pytest.approx(4e3 / second.latency_ms_p50)
    drift = folder.meta["drift"]
    assert (drift["point"], drift["first_ms"]) == ("torch fp32 b1", first.latency_ms_p50)
    bf16 = next(row for row in folder.rows if row.precision == "bf16" and row.batch == 4)
    # The ratio is of medians of batches of runs, whose median lies within the interval of it.
    assert bf16.speedup is not None
    assert bf16.speedup_interval is not None
    assert bf16.speedup_interval[0] <= bf16.speedup <= bf16.speedup_interval[1]


def test_the_reference_is_found_where_nobody_asked_for_it(workers: type[InProcess], run: Path) -> None:
    rows = measure(run, cells("torch", precisions="bf16"))
    assert [row.precision for row in rows] == ["bf16", "bf16"]
    assert rows[0].reference_top1 == (60 - WRONG) / 60
    assert rows[0].speedup is None, "torch in fp32 was not timed"
    prepared = [request["recipe"]["name"] for request in workers.asked if request["do"] == "prepare"]
    assert prepared == ["bf16", "fp32", "bf16"], "the last is the first point again"


def test_nothing_is_calibrated_or_measured_twice(workers: type[InProcess], run: Path, monkeypatch: Any) -> None:
    wanted = cells("torch", "immabench")
    before = measure(run, wanted)
    workers.asked.clear()
    monkeypatch.setattr(Experiment, "observations", lambda *_: pytest.fail("calibrated again"))
    assert measure(run, wanted) == before
    assert workers.asked == []


def test_what_failed_is_tried_again(workers: type[InProcess], run: Path) -> None:
    workers.spoil = staticmethod(lambda request: {"crashed": "the worker was killed by SIGSEGV"})  # type: ignore[assignment]
    (failed,) = measure(run, cells("torch", precisions="fp32"))
    assert (failed.status, failed.reason, failed.batch) == ("crashed", "the worker was killed by SIGSEGV", None)
    workers.spoil = staticmethod(lambda request: None)  # type: ignore[assignment]
    rows = measure(run, cells("torch", precisions="fp32"))
    assert [row.status for row in rows] == ["ok", "ok"]
    assert read_rows(run) == rows, "the row of the failure gives way"


def test_a_point_that_dies_takes_no_other_with_it(workers: type[InProcess], run: Path) -> None:
    def spoil(request: dict[str, Any]) -> dict[str, Any] | None:
        return {"crashed": "out of memory"} if request["do"] == "latency" and request["batch"] == 4 else None

    workers.spoil = staticmethod(spoil)  # type: ignore[assignment]
    conditions = Conditions("cpu", (1, 4, 2), None, 0.01, 1, 60.0)
    rows = measure(run, cells("torch", precisions="fp32"), conditions)
    assert [(row.batch, row.status, row.reason) for row in rows] == [
        (1, "ok", ""),
        (4, "crashed", "out of memory"),
        (2, "ok", ""),
    ]
    assert rows[1].accuracy_top1 == rows[0].accuracy_top1
    assert rows[1].latency_ms_p50 is None


def test_without_accuracy_times_stay(workers: type[InProcess], run: Path) -> None:
    workers.spoil = staticmethod(lambda request: {"timeout": "too slow"} if request["do"] == "evaluate" else None)  # type: ignore[assignment]
    row, _ = measure(run, cells("torch", precisions="fp32"))
    assert (row.status, row.reason, row.accuracy_top1) == ("timeout", "accuracy: too slow", None)
    assert row.latency_ms_p50 is not None


def test_wrong_logits_are_an_error(workers: type[InProcess], run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = IntegerSession.run
    monkeypatch.setattr(IntegerSession, "run", lambda self, inputs: plain(self, inputs) * np.float32(np.nan))
    rows = measure(run, cells("immabench", precisions="int8"))
    assert {row.status for row in rows} == {"error"}
    assert "are NaN" in rows[0].reason


def test_a_slower_runtime_is_told_from_the_reference(
    workers: type[InProcess], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: bf16 computes everything five times, and its classes are turned around."""
    plain = TorchSession.run

    def spoiled(self: TorchSession, inputs: Any) -> Any:
        repeats = 5 if self._precision == "bf16" else 1
        for _ in range(repeats):
            logits = plain(self, inputs)
        return -logits if repeats > 1 else logits

    monkeypatch.setattr(TorchSession, "run", spoiled)
    rows = measure(run, cells("torch", precisions="fp32,bf16"))
    bf16 = next(row for row in rows if row.precision == "bf16" and row.batch == 4)
    assert bf16.speedup is not None
    assert bf16.speedup < 1
    assert bf16.distinguishable
    assert (bf16.lost or 0) > 40


def test_a_missing_runtime_is_a_row(workers: type[InProcess], run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = cells("torch", precisions="fp32")
    monkeypatch.setattr(TorchRuntime, "availability", lambda _: Availability(False, "it is gone", "get it"))
    (row,) = measure(run, wanted)
    assert (row.status, row.reason) == ("missing", "it is gone; get it")
    assert measure(run, wanted) == [row]
    assert len((run / "rows.jsonl").read_text().splitlines()) == 1


def test_another_device_is_unsupported(workers: type[InProcess], run: Path) -> None:
    conditions = Conditions("cuda", (1,), None, 0.01, 1, 60.0)
    (row,) = measure(run, cells("onnxruntime", precisions="fp32"), conditions)
    assert (row.status, row.reason) == ("unsupported", "computes on cpu alone")


def test_a_folder_of_a_sweep_is_none(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "sweep")
    with pytest.raises(RunFolderError, match="is no run of immabench e2e"):
        E2eFolder.open(tmp_path / "sweep")


def test_csv_has_intervals_apart(workers: type[InProcess], run: Path) -> None:
    measure(run, cells("torch", precisions="fp32"))
    head, first, _ = E2eFolder.open(run).write_csv().read_text().splitlines()
    assert "accuracy_interval_low,accuracy_interval_high" in head
    assert first.startswith("1,")
    assert json.loads((run / "run.json").read_text())["kind"] == "e2e"
