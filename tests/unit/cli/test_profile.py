"""`immabench profile`: commands printed, reports imported, and everything that is not there said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import KERNEL, job, reference_job, timed, write_run
from ncu_files import Launch, Rule, write_report

from immabench.profile.actions import read_actions
from immabench.profile.preflight import Ncu, Obstacle, Preflight

NO_GPU = {"status": 35, "error": "no driver", "devices": []}
GPU = {"status": 0, "error": "", "devices": [{"name": "synthetic", "compute_capability": [8, 0]}]}
METRICS = {
    "gpu__time_duration.sum": 5000,
    "sm__inst_executed_pipe_tensor.sum": 10,
    "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed": 42.0,
    "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio": 1.5,
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("immabench.profile.preflight._usual_places", lambda environment: iter(()))
    monkeypatch.setattr("immabench.profile.preflight.cuda_state", lambda: NO_GPU)
    monkeypatch.setattr("immabench.report.plots.write_plots", lambda document, folder: [])  # have tests of their own


def test_one_kernel_without_a_gpu(run: Any, tmp_path: Path) -> None:
    one = ("profile", "--kernel", KERNEL.replace("128_w2x2_s3", "64_w2x2_s4"), "--shape", "64x64x64")
    result = run(*one, "--print-command")
    assert result.code == 0
    assert result.out.startswith("ncu --config-file off ")
    assert result.out.rstrip().endswith("python -m immabench.profile.launches profile/roofline.plan.json")
    assert "--chip gh100 adds a chip's own" in result.err
    assert (tmp_path / "profile" / "roofline.plan.json").exists()
    assert "op_gmma" not in result.out
    assert "op_gmma" in run(*one, "--print-command", "--chip", "gh100").out
    assert (missing := run(*one)).code == 77
    assert missing.err.startswith("immabench: Nsight Compute's ncu is not on PATH")
    assert len(missing.err.splitlines()) == 1


def test_a_run_knows_the_chip_of_its_machine(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "r", [timed(job(), 3.0)])
    result = run("profile", "r", "--preset", "memory", "--print-command", "--name", "mine")
    assert "r/profile/mine.plan.json" in result.out
    assert "mem_global_op_tma_ld" in result.out  # sm_90's
    monkeypatch.setattr("immabench.profile.preflight.cuda_state", lambda: GPU)
    assert "mem_global_op_tma_ld" not in run("profile", "r", "--preset", "memory", "--print-command").out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "nothing to profile"),
        (("--kernel", "a", "--kernel", "b", "--shape", "1x1x1"), 2, "nothing to profile"),
        (("r", "--shape", "1x1x1"), 2, "--shape is for a kernel without RUN"),
        (("r", "--preset", "nope"), 5, "no preset matches 'nope'"),
        (("r", "--kernel", "nope"), 5, "no kernel matches 'nope'"),
        (("absent",), 2, "is not a run folder"),
        (("r", "--ncu", "absent"), 2, "--ncu absent is no program"),
        (("--import", "absent.ncu-rep"), 2, "cannot be read"),
        (("--check-metrics",), 77, "is not on PATH"),
    ],
)
def test_what_is_wrong_is_one_line(run: Any, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    write_run(tmp_path / "r", [timed(job(), 3.0)])
    result = run("profile", *arguments)
    assert (result.code, said in result.err, len(result.err.splitlines())) == (code, True, 1)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    pytest.importorskip("ncu_report", reason="reports are read by ncu-report: pip install 'immabench[profile]'")
    rules = [Rule("SOLBottleneck", "synthetic", 12.5)]
    launches = [Launch({"immabench": ["profile", job().row_id]}, METRICS, rules), Launch(metrics=METRICS)]
    return write_report(tmp_path / "r.ncu-rep", launches)


def test_a_report_is_imported_into_a_run(run: Any, tmp_path: Path, report: Path) -> None:
    counts = {"mma": 10, "lines": []}
    rows = [timed(job(), 3.0), job(device="emulated").row("ok", counts=counts, hazards=0)]
    folder = write_run(tmp_path / "run", rows)
    result = run("profile", "--import", str(report), "run")
    assert result.code == 0
    for text in (
        job().kernel_id,
        job().problem.key,
        "5.00",
        "42.0",
        "barrier 1.50",
        "SOLBottleneck (global 12 %)",
        "2 actions, 1 of no row",
    ):
        assert text in result.out
    assert [action.row_id for action in read_actions(folder.path)] == [job().row_id, ""]
    page = (folder.path / "report.html").read_text()
    assert "Profiled launches" in page
    assert "Emulated counts against counters" in page


def test_a_report_is_imported_beside_itself_or_where_one_says(run: Any, tmp_path: Path, report: Path) -> None:
    data = run("profile", "--import", str(report), "--json").data
    assert data["files"] == [str(tmp_path / "r.actions.jsonl")]
    assert data["actions"][0]["metrics"]["tensor_active"] == 42.0
    assert data["launches"] == []
    assert run("profile", "--import", str(report), "--out", "else").code == 0
    assert (tmp_path / "else" / "r.actions.jsonl").exists()


def test_counts_are_emulated_on_demand(run: Any, fake_native: Any, tmp_path: Path) -> None:
    pytest.importorskip("ncu_report", reason="reports are read by ncu-report: pip install 'immabench[profile]'")
    one = job(fake_native.kernels()[0]["id"])
    folder = write_run(tmp_path / "run", [timed(one, 3.0)])
    launches = [Launch({"immabench": ["profile", one.row_id]}, METRICS)]
    write_report(tmp_path / "r.ncu-rep", launches)
    assert run("profile", "--import", "r.ncu-rep", "run", "--emulate").code == 0
    assert [row.device_kind for row in folder.rows()] == ["cuda", "emulated"]


def test_a_launch_that_was_wrong_is_exit_1(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench.profile.launches import Launched
    from immabench.profile.session import Outcome

    write_run(tmp_path / "r", [timed(job(), 3.0)])
    may_fail = Obstacle("it may be too new", "update", fatal=False)
    found = Preflight(Ncu(Path("ncu"), (2026, 1)), (may_fail,))
    outcome = Outcome(launches=[Launched(reference_job().row_id, "incorrect", "1 of 2 elements differ")])
    monkeypatch.setattr("immabench.profile.preflight.preflight", lambda given: found)
    monkeypatch.setattr("immabench.profile.session.carry_out", lambda *_: outcome)
    result = run("profile", "r")
    assert result.code == 1
    assert "it may be too new; update" in result.err
    assert "profiling 1 launches with ncu, version 2026.1" in result.err
    assert f"{reference_job().row_id}: incorrect: 1 of 2 elements differ" in result.err


def test_metrics_that_ncu_lacks_are_named(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench.profile.metrics import load_metrics

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ncu").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "ncu").chmod(0o755)
    known = [name for metric in load_metrics() if (name := metric.on("gh100"))]
    monkeypatch.setattr("immabench.profile.ncu.query_metrics", lambda path, chip: known)
    assert run("profile", "--check-metrics", "--chip", "gh100").code == 0
    monkeypatch.setattr("immabench.profile.ncu.query_metrics", lambda path, chip: known[1:])
    result = run("profile", "--check-metrics", "--chip", "gh100")
    assert result.code == 1
    assert result.out == f"duration: {tmp_path / 'bin' / 'ncu'} has no gpu__time_duration.sum on gh100\n"


def test_a_sweep_asks_before_and_goes_on(run: Any, misbehaving: str, tmp_path: Path) -> None:
    sweep = (
        "sweep",
        "--shape",
        "8x8x8",
        "--provider",
        "misbehaving",
        "--kernel",
        "good",
        "--no-ceilings",
        "--out",
        "s",
    )
    result = run(*sweep, "--profile", "roofline")
    assert result.code == 0
    assert result.err.startswith("not profiling: Nsight Compute's ncu is not on PATH")
    said = json.loads((tmp_path / "s" / "run.json").read_text())["profile"]
    assert (said["status"], bool(said["reason"]), bool(said["remedy"])) == ("unavailable", True, True)
    assert said["preset"] == "roofline"
    assert run(*sweep, "--force", "--profile", "nope").code == 5  # before anything is measured
    assert json.loads((tmp_path / "s" / "run.json").read_text())["profile"] == said
