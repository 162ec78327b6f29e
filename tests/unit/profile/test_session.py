"""Jobs dealt out to sessions, and their commands. From jobs to actions: tests/tools/test_profiling.py."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import job, reference_job, timed, write_run

from immabench.errors import UsageError
from immabench.profile import session
from immabench.profile.launches import read_plan
from immabench.profile.metrics import load_preset
from immabench.profile.session import arrange, arrange_run, carry_out, commands

pytest.importorskip("ncu_report", reason="reports are read by ncu-report: pip install 'immabench[profile]'")

Fake = Callable[..., Any]
PRESET = load_preset("roofline")
FAILING = job(provider="absent")


def test_rows_timed_warm_are_a_session_of_their_own(tmp_path: Path) -> None:
    jobs = [reference_job(case=name) for name in "abc"]
    cold, warm = arrange(jobs, tmp_path, "it", PRESET, [False, True, False])
    assert [one.case for one in cold.jobs] == ["a", "c"]
    assert [one.case for one in warm.jobs] == ["b"]
    assert (cold.session.report.name, warm.session.report.name) == ("it.ncu-rep", "it-warm.ncu-rep")
    assert (cold.session.warm, warm.session.warm) == (False, True)


def test_the_printed_command_has_its_plan(tmp_path: Path) -> None:
    rows = [timed(job(), 3.0), timed(job(case="b", seed=1), 1.0).model_copy(update={"l2_state": "warm"})]
    folder = write_run(tmp_path / "a run", rows)
    work = arrange_run(folder, PRESET, cases=["*"], name="mine")
    assert [len(one.jobs) for one in work] == [1]  # one row id: one launch
    (printed,) = commands(work, None, "gh100")
    words = shlex.split(printed)
    assert words[0] == "ncu"
    assert words[-4:-1] == ["python", "-m", "immabench.profile.launches"]
    assert read_plan(Path(words[-1])) == [job()]
    assert not (tmp_path / "a run" / "profile" / "mine.ncu-rep").exists()


def test_an_unknown_failure_of_the_import_is_the_importers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UsageError("it is damaged", "profile again")

    monkeypatch.setattr(session, "import_report", refuse)
    monkeypatch.setattr(session.ncu, "run", lambda *_: None)
    with pytest.raises(UsageError, match="it is damaged"):
        carry_out(arrange([reference_job()], tmp_path, "it", PRESET), Path("ncu"), None)
