"""Predictions graded by synthetic rows. No time here was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from immabench.errors import NothingSelectedError, RunFolderError
from immabench.kernels import kernel_configs
from immabench.measure.grade import Grade, grade_run
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.predict import gpu_named, machine_of, predicted
from immabench.problems import Problem
from immabench.row_ids import RowId

GPU = {"name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}
SMALL, LARGE = Problem(16, 1024, 1024), Problem(4096, 4096, 4096)


def row(problem: Problem, kernel_id: str, time_us: float | None, **changes: Any) -> Row:
    values = {
        "row_id": str(RowId(kernel_id, problem.key, "cuda")),
        "suite": "synthetic",
        "case": problem.shape,
        "provider": "handwritten",
        "kernel_id": kernel_id,
        "device": GPU["name"],
        "device_kind": "cuda",
        "status": "ok",
        "time_us_median": time_us,
        "flops_per_byte": problem.operations_per_byte,
        "started_utc": "2026-01-02T03:04:05Z",
        "seed": 0,
        **problem.as_dict(),
    }
    return Row(**{**values, **changes})


def predictions(problem: Problem) -> dict[str, float]:
    machine = machine_of(gpu_named("H200"))
    return {config.id: predicted(config, problem, machine).time_us for config in kernel_configs()}


def graded(path: Path, rows: list[Row]) -> Grade:
    folder = RunFolder.create(path, meta={"machine": {"gpus": [GPU]}, "ceilings": None})
    for one in rows:
        folder.append(one)
    return grade_run(path)


def test_rows_as_predicted_have_ratio_one_and_the_right_choice(fake_native: Any, tmp_path: Path) -> None:
    rows = [row(problem, name, time) for problem in (SMALL, LARGE) for name, time in predictions(problem).items()]
    grade = graded(tmp_path / "run", rows)
    assert [one.ratio for one in grade.rows] == pytest.approx([1.0] * 6)
    assert grade.geometric_mean == pytest.approx(1.0)
    assert [(case.rows, case.loss, case.correlation) for case in grade.cases] == [(3, 0, pytest.approx(1))] * 2


def test_a_wrong_choice_costs_what_the_fastest_saves(fake_native: Any, tmp_path: Path) -> None:
    times = predictions(LARGE)
    best, second, third = sorted(times, key=lambda name: times[name])
    measured = {best: 120.0, second: 100.0, third: 40_000.0}
    grade = graded(tmp_path / "run", [row(LARGE, name, time) for name, time in measured.items()])
    (case,) = grade.cases
    assert (case.chosen, case.fastest, case.loss) == (best, second, pytest.approx(0.2))
    assert case.correlation == pytest.approx(0.5)
    ratios = {one.kernel_id: times[one.kernel_id] / measured[one.kernel_id] for one in grade.rows}
    assert {one.kernel_id: one.ratio for one in grade.rows} == pytest.approx(ratios)
    assert grade.geometric_mean**3 == pytest.approx(ratios[best] * ratios[second] * ratios[third])
    assert grade.worst.kernel_id == third


def test_a_case_of_one_row_has_no_correlation(fake_native: Any, tmp_path: Path) -> None:
    name = kernel_configs()[0].id
    (case,) = graded(tmp_path / "run", [row(SMALL, name, 5.0)]).cases
    assert (case.correlation, case.loss) == (None, 0)


def test_only_timed_gpu_rows_of_our_kernels_count(fake_native: Any, tmp_path: Path) -> None:
    name = kernel_configs()[0].id
    others = [
        row(SMALL, name, None, case="emulated", device_kind="emulated"),
        row(SMALL, name, 5.0, case="wrong", status="incorrect"),
        row(SMALL, "torch_int8", 5.0, case="torch", provider="torch"),
        row(SMALL, name, 5.0, case="packing", step="pack"),
    ]
    grade = graded(tmp_path / "run", [*others, row(SMALL, name, 5.0), row(SMALL, "imma_gone", 5.0)])
    assert [one.case for one in grade.rows] == [SMALL.shape]
    assert grade.left_out == ((str(RowId("imma_gone", SMALL.key, "cuda")), "this build has no imma_gone"),)
    with pytest.raises(NothingSelectedError, match="no timed row of the hand-written kernels on a GPU; sweep on"):
        graded(tmp_path / "none", others)
    with pytest.raises(NothingSelectedError, match="can be predicted: this build has no imma_gone"):
        graded(tmp_path / "gone", [row(SMALL, "imma_gone", 5.0)])
    with pytest.raises(RunFolderError):
        grade_run(tmp_path / "nowhere")


def test_it_serialises_with_its_assumptions(fake_native: Any, tmp_path: Path) -> None:
    grade = graded(tmp_path / "run", [row(SMALL, kernel_configs()[0].id, 5.0)])
    data = json.loads(json.dumps(grade.as_dict()))
    assert data["kind"] == "predicted against measured"
    assert data["rows"][0]["ratio"] == pytest.approx(data["rows"][0]["predicted_us"] / 5)
    assert {figure["kind"] for figure in data["assumptions"]["NVIDIA H200"]} >= {"data sheet", "assumed"}
