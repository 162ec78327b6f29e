"""`immabench predict`, on the fake native module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.problems import Problem
from immabench.row_ids import RowId

KERNEL = "imma_s8s8s32_64x64x64_w2x2_s4_sm80"
GPU = {"name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}


@pytest.fixture
def timed_run(tmp_path: Path) -> Path:
    """A run folder with one invented time."""
    problem = Problem(64, 512, 512)
    folder = RunFolder.create(tmp_path / "run", meta={"machine": {"gpus": [GPU]}, "ceilings": None})
    folder.append(
        Row(
            row_id=str(RowId(KERNEL, problem.key, "cuda")),
            suite="synthetic",
            case="one",
            provider="handwritten",
            kernel_id=KERNEL,
            device="NVIDIA H200",
            device_kind="cuda",
            status="ok",
            time_us_median=8.0,
            flops_per_byte=problem.operations_per_byte,
            started_utc="2026-01-02T03:04:05Z",
            seed=0,
            **problem.as_dict(),
        )
    )
    return folder.path


def test_json_contract_of_a_ranking(run: Any) -> None:
    data = run("predict", "--shape", "64x512x512", "--json").data
    assert (data["kind"], data["gpu"], data["shape"]) == ("predicted", "H200", [64, 512, 512])
    times = [entry["time_us"] for entry in data["predictions"]]
    assert len(times) == 3
    assert times == sorted(times)
    terms = data["predictions"][0]["terms"]
    assert {"name", "clocks", "time_us", "counted", "formula"} == set(terms[0])
    assert sum(term["time_us"] for term in terms if term["counted"]) == pytest.approx(times[0])
    assert {"name", "value", "unit", "kind", "source"} == set(data["assumptions"][0])


def test_one_kernel_on_one_gpu(run: Any) -> None:
    data = run("predict", KERNEL, "--shape", "64x512x512", "--gpu", "A100-SXM4-80GB", "--json").data
    assert data["gpu"] == "A100-SXM4-80GB"
    assert [entry["kernel_id"] for entry in data["predictions"]] == [KERNEL]


def test_the_text_says_that_nothing_was_measured_and_what_was_assumed(run: Any) -> None:
    out = run("predict", "--shape", "64x512x512", "--top", "1").out
    first, *ranked = out.splitlines()[:4]
    assert first.endswith("on H200: predicted, not measured")
    assert [line[:5] for line in ranked] == ["  1. ", "  2. ", "  3. "]
    assert out.count("bound by") == 1
    for text in ("Little's law:", "pipeline fill", "hidden", "assumed", "data sheet"):
        assert text in out


def test_a_kernel_that_cannot_compute_it_says_why(run: Any, fake_native: Any) -> None:
    fake_native.illegal[KERNEL] = "too odd"
    result = run("predict", KERNEL, "--shape", "1x1x1")
    assert (result.code, result.out) == (2, "")
    assert "cannot compute 1x1x1: too odd; choose another kernel or shape" in result.err
    assert len(run("predict", "--shape", "1x1x1", "--json").data["predictions"]) == 2


def test_the_machine_of_a_run(run: Any, timed_run: Path) -> None:
    assert run("predict", "--shape", "64x512x512", "--ceilings", str(timed_run), "--json").data["gpu"] == "H200"


def test_grading_a_run(run: Any, timed_run: Path) -> None:
    predicted = run("predict", KERNEL, "--shape", "64x512x512", "--output-type", "s32", "--gpu", "H200", "--json")
    time_us = predicted.data["predictions"][0]["time_us"]
    data = run("predict", "--against", str(timed_run), "--json").data
    assert data["rows"][0]["predicted_us"] == pytest.approx(time_us)
    assert data["geometric_mean"] == pytest.approx(time_us / 8)
    out = run("predict", "--against", str(timed_run)).out
    assert f"1 rows: geometric mean of predicted / measured {time_us / 8:.3f}" in out
    assert "the fastest chosen in 1 of 1 cases, largest loss 0.0%" in out


def test_a_run_without_gpu_rows_is_nothing_to_grade(run: Any, tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", meta={"machine": {"gpus": []}, "ceilings": None})
    result = run("predict", "--against", str(tmp_path / "run"))
    assert (result.code, result.out) == (5, "")
    assert "no timed row of the hand-written kernels on a GPU; sweep on a GPU machine" in result.err
