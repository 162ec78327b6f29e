"""From jobs to actions: plan, command, profiled process, report, import. The profiler is a fake, ranges are real."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import PROBLEM, job, reference_job, timed, write_run

from immabench.errors import ImmabenchError
from immabench.profile import session
from immabench.profile.actions import read_actions
from immabench.profile.launches import launches_path
from immabench.profile.metrics import load_preset
from immabench.profile.preflight import preflight
from immabench.profile.session import after_sweep, arrange, carry_out

pytest.importorskip("ncu_report", reason="reports are read by ncu-report: pip install 'immabench[profile]'")

Fake = Callable[..., Any]
PRESET = load_preset("roofline")
FAILING = job(provider="absent")


def test_a_launch_comes_back_as_an_action_of_its_row(fake_ncu: Fake, listener: Path, tmp_path: Path) -> None:
    ncu, jobs = fake_ncu(listener=str(listener)), [reference_job(), FAILING, reference_job(case="again", seed=1)]
    outcome = carry_out(arrange(jobs, tmp_path / "profile", "it", PRESET), ncu.path, "gh100")
    # The second job fails before its launch, so that there is nothing of it to profile.
    assert [launched.status for launched in outcome.launches] == ["ok", "error", "ok"]
    assert [launched.row_id for launched in outcome.failed] == [FAILING.row_id]
    found = [(action.row_id, action.index, action.preset, action.duration_us) for action in outcome.actions]
    assert found == [(reference_job().row_id, number, "roofline", 5.0) for number in range(2)]
    assert read_actions(tmp_path) == outcome.actions
    assert outcome.files == [tmp_path / "profile" / "it.actions.jsonl"]
    left = {path.name for path in (tmp_path / "profile").iterdir()} - {"it.heard"}
    assert left == {f"it.{end}" for end in ("plan.json", "launches.json", "ncu-rep", "log", "actions.jsonl")}


def test_a_launch_that_ncu_lost_is_not_called_well(fake_ncu: Fake, listener: Path, tmp_path: Path) -> None:
    other = reference_job(problem=replace(PROBLEM, n=32))
    ncu = fake_ncu(listener=str(listener), mode="loses the last")
    outcome = carry_out(arrange([reference_job(), other], tmp_path, "it", PRESET), ncu.path, None)
    assert [action.row_id for action in outcome.actions] == [reference_job().row_id]
    assert [launched.status for launched in outcome.launches] == ["ok", "error"]
    assert outcome.failed[0].reason == f"launched, and not profiled; see {tmp_path / 'it.log'}"
    # A process that ended before a job says nothing of it.
    launches_path(tmp_path / "it.plan.json").write_text('{"launches": []}')
    (work,) = arrange([other], tmp_path, "it", PRESET)
    assert "never launched" in session._accounted(work, [])[0].reason


@pytest.mark.parametrize(("mode", "complaint"), [("deaf", "ncu saw no launch"), ("damaged", "is damaged or cut off")])
def test_what_cannot_be_imported_is_one_line(
    fake_ncu: Fake, listener: Path, tmp_path: Path, mode: str, complaint: str
) -> None:
    ncu = fake_ncu(listener=str(listener), mode=mode)
    with pytest.raises(ImmabenchError, match=complaint):
        carry_out(arrange([reference_job()], tmp_path, "it", PRESET), ncu.path, None)
    assert read_actions(tmp_path) == []


def test_a_process_that_dies_is_one_line(
    fake_ncu: Fake, listener: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.ncu, "MODULE", "immabench.no_such_module")
    with pytest.raises(ImmabenchError, match="ncu saw no launch"):
        carry_out(arrange([reference_job()], tmp_path, "it", PRESET), fake_ncu(listener=str(listener)).path, None)
    assert "no_such_module" in (tmp_path / "it.log").read_text()


def test_a_sweep_is_profiled_after_it(
    fake_ncu: Fake, listener: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ncu(listener=str(listener))
    folder = write_run(tmp_path / "run", [timed(job(), 3.0)])
    monkeypatch.setattr(session, "jobs_of", lambda rows: [reference_job()])  # a GPU's rows, launched on a CPU
    said = after_sweep(folder, "roofline", None, preflight())
    assert said == {"preset": "roofline", "status": "ok", "reason": "", "remedy": "", "actions": 1}
    assert json.loads((folder.path / "run.json").read_text())["profile"] == said
    assert len(read_actions(folder.path)) == 1


@pytest.mark.parametrize(
    ("settings", "device", "status", "reason"),
    [
        ({"version": "2020.1.0.0"}, "cuda", "unavailable", "is older than"),
        ({"mode": "permission"}, "cuda", "failed", "no permission"),
        ({}, "cpu", "skipped", "no row of a GPU"),
        ({}, "cuda", "failed", "ncu saw no launch"),  # the one launch fails
    ],
)
def test_timing_went_well_whatever_profiling_does(
    fake_ncu: Fake, listener: Path, tmp_path: Path, settings: dict[str, str], device: str, status: str, reason: str
) -> None:
    fake_ncu(listener=str(listener), **settings)
    folder = write_run(tmp_path / "run", [timed(job(provider="absent", device=device), 3.0)])
    said = after_sweep(folder, "roofline", 1, preflight())
    assert (said["status"], reason in said["reason"]) == (status, True)
    assert said["remedy"]
    assert folder.meta["profile"] == said


def test_launches_that_fail_beside_others_are_said(
    fake_ncu: Fake, listener: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ncu(listener=str(listener))
    folder = write_run(tmp_path / "run", [timed(job(), 3.0), timed(job(case="b"), 3.0)])
    monkeypatch.setattr(session, "jobs_of", lambda rows: [reference_job(), FAILING])
    monkeypatch.setattr(session, "chosen_rows", lambda *_: folder.rows())
    said = after_sweep(folder, "roofline", None, preflight())
    assert (said["status"], said["actions"]) == ("failed", 1)
    assert said["reason"].startswith(f"1 of 2 launches failed, first {FAILING.row_id}")
