"""`immabench sweep`, with a provider that misbehaves and a report that is not built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immabench.measure.run_folder import RunFolder

CPU = ("--shape", "8x8x8", "--provider", "misbehaving", "--no-ceilings", "--timeout", "20", "--time-budget", "0.02")


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.report.build_report", lambda run: run / "report.html")


def test_json_contract_and_one_row_a_case(run: Any, misbehaving: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("sweep", *CPU, "--kernel", "good", "--kernel", "segfault", "--out", str(out), "--json")
    assert result.code == 1
    assert result.data == {
        "run": str(out),
        "rows": 2,
        "ok": 1,
        "failed": 1,
        "skipped": 0,
        "report": str(out / "report.html"),
    }
    assert "crashed: the worker was killed by SIGSEGV" in result.err
    folder = RunFolder.open(out)
    assert folder.meta["finished_utc"]
    assert (out / "rows.csv").exists()


def test_the_default_folder_is_named_by_time_and_suite(
    run: Any, misbehaving: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("sweep", *CPU, "--kernel", "good")
    assert result.code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("Z-shapes")
    assert result.out.startswith("1 rows: 1 ok, 0 failed, 0 skipped\nreport: ")


def test_dry_run_prints_the_plan_and_writes_nothing(
    run: Any, torch_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = run("sweep", "--shape", "2048x1024x512", "--dry-run", "--json").data
    assert (data["run"], data["rows"], data["skipped"]) == (None, 8, 2)
    assert "--emulate-budget" in data["plan"][0]["skip"]
    assert data["plan"][2]["row_id"] == "torch_fp32@gemm_s8_m2048_n1024_k512_f16_rv_cv_b@cpu"
    assert "8 rows, 6 to run, 2 skipped" in run("sweep", "--shape", "2048x1024x512", "--dry-run").out
    assert list(tmp_path.iterdir()) == []


def test_a_timer_that_is_not_here_is_refused_before_anything_is_written(
    run: Any, misbehaving: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("sweep", *CPU, "--out", str(tmp_path / "run"), "--timer")
    result = run(*arguments, "sundial")
    assert (result.code, "choose one of auto, nvbench, events" in result.err) == (2, True)
    monkeypatch.setattr("immabench.measure.timers.missing_packages", lambda: ["cuda-bench", "cuda-bindings"])
    result = run(*arguments, "nvbench")
    assert result.code == 77
    assert "nvbench needs cuda-bench and cuda-bindings; pip install 'immabench[gpu]'" in result.err
    assert not (tmp_path / "run").exists()


def test_a_run_is_continued_with_the_timer_it_began_with(run: Any, misbehaving: str, tmp_path: Path) -> None:
    run("sweep", *CPU, "--kernel", "good", "--out", str(tmp_path / "run"), "--timer", "events")
    folder = RunFolder.open(tmp_path / "run")
    assert folder.meta["selection"]["timer"] == "events"
    (row,) = folder.rows()
    assert row.timed_by == "wall clock"  # a CPU has one timer


def test_an_existing_run_is_not_overwritten(run: Any, misbehaving: str, tmp_path: Path) -> None:
    arguments = ("sweep", *CPU, "--kernel", "good", "--out", str(tmp_path / "run"))
    assert run(*arguments).code == 0
    result = run(*arguments)
    assert result.code == 2
    assert "already holds a run; choose another --out, continue it with --resume, or --force" in result.err
    assert run(*arguments, "--force").code == 0


def test_resume_needs_no_repetition_and_adds_what_is_missing(run: Any, misbehaving: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    kernels = ("--kernel", "good", "--kernel", "chatty", "--kernel", "exit")
    run("sweep", *CPU, *kernels, "--out", str(out))
    rows = (out / "rows.jsonl").read_text().splitlines(keepends=True)
    (out / "rows.jsonl").write_text(rows[0] + rows[1][:20])
    result = run("sweep", "--resume", str(out), "--no-ceilings", "--json")
    assert (result.data["rows"], result.data["ok"], result.data["failed"]) == (3, 2, 1)
    assert (out / "rows.jsonl").read_text().startswith(rows[0])
    result = run("sweep", "--resume", str(out), "--no-ceilings", "--retry", "--json")
    assert result.data["rows"] == 3
    assert len((out / "rows.jsonl").read_text().splitlines()) == 4
    result = run("sweep", "--resume", str(out), "--dry-run", "--json")
    assert result.data["rows"] == 3


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "{", "run.json is damaged"),
        ("run.json", "{}", "run.json is not of schema 1"),
        ("rows.jsonl", "garbage\n", "rows.jsonl:1 is damaged"),
    ],
)
def test_a_damaged_run_is_left_as_it_is(
    run: Any, misbehaving: str, tmp_path: Path, file: str, content: str, message: str
) -> None:
    out = tmp_path / "run"
    run("sweep", *CPU, "--kernel", "good", "--out", str(out))
    (out / file).write_text(content)
    result = run("sweep", "--resume", str(out))
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert (out / file).read_text() == content


def test_ctrl_c_says_how_to_resume(run: Any, misbehaving: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench.measure.worker_process import WorkerProcess

    def interrupt(self: WorkerProcess, request: object, timeout: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WorkerProcess, "ask", interrupt)
    result = run("sweep", *CPU, "--kernel", "good", "--out", str(tmp_path / "run"))
    assert result.code == 130
    assert f"interrupted; continue with: immabench sweep --resume {tmp_path / 'run'}" in result.err
    assert RunFolder.open(tmp_path / "run").rows() == []
