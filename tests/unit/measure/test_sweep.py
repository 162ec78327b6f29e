"""The sweep writes one row for every planned job, whatever the job does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immabench.measure.case import Job
from immabench.measure.plan import Planned, Selection
from immabench.measure.run_folder import RunFolder
from immabench.measure.sweep import Limits, remaining, run_meta, run_sweep
from immabench.measure.timer import Criterion
from immabench.problems import Problem, float_problem

LIMITS = Limits(timeout_seconds=5.0, criterion=Criterion(max_samples=3))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    # The ceilings are in place, so that no test spends seconds to measure them.
    return RunFolder.create(tmp_path / "run", meta={"ceilings": {"cpu": {"int8_tops": 50.0, "copy_gbps": 20.0}}})


def planned(kernel: str, suite: str = "suite", skip: str = "") -> Planned:
    return Planned(Job(suite, f"case {kernel}", 1, Problem(8, 8, 8), "misbehaving", kernel, "cpu"), skip)


def test_every_job_is_a_row(misbehaving: str, folder: RunFolder) -> None:
    plan = [planned(name) for name in ("good", "segfault", "raise", "wrong", "exit", "hang")]
    plan += [planned("good", suite="other"), planned("slow", skip="too slow")]
    rows = list(run_sweep(plan, folder, LIMITS))
    assert rows == folder.rows()
    statuses = [row.status for row in rows]
    assert statuses == ["ok", "crashed", "error", "incorrect", "crashed", "timeout", "ok", "skipped"]
    assert rows[1].reason == "the worker was killed by SIGSEGV"
    assert rows[5].reason == "no result within 5 s; raise --timeout or drop the case"
    assert rows[7].reason == "too slow"
    assert rows[0].pct_roof is not None


def test_a_problem_two_suites_ask_for_is_measured_once(misbehaving: str, folder: RunFolder) -> None:
    first, second = run_sweep([planned("good"), planned("good", suite="other")], folder, LIMITS)
    assert second.suite == "other"
    assert second.time_us_median == first.time_us_median
    assert len(folder.samples(first.row_id)) == first.samples


def test_resuming_runs_what_is_left(misbehaving: str, folder: RunFolder) -> None:
    plan = [planned(name) for name in ("good", "exit", "chatty")]
    list(run_sweep(plan[:2], folder, LIMITS))
    assert remaining(plan, folder) == plan[2:]
    assert remaining(plan, folder, retry=True) == plan[1:]
    list(run_sweep(remaining(plan, folder), folder, LIMITS))
    assert remaining(plan, folder) == []
    assert [row.kernel_id for row in folder.rows()] == ["good", "exit", "chatty"]


def test_meta_says_how_and_where(fake_native: Any) -> None:
    meta = run_meta(Selection(suites=("quick",), shapes=("1x2x3",), seed=5), ["immabench", "sweep"])
    assert meta["suite"] == "quick+shapes"
    assert meta["seed"] == 5
    assert meta["versions"]["numpy"]
    assert set(meta["machine"]) >= {"cpu", "cores", "memory_bytes", "os", "gpus"}
    assert Selection.from_dict(meta["selection"]).shapes == ("1x2x3",)


def test_ceilings_that_cannot_be_measured_are_said(
    misbehaving: str, folder: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from immabench.measure.worker_process import WorkerCrashError, WorkerProcess

    ask = WorkerProcess.ask

    def crash_on_ceilings(self: WorkerProcess, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        if request["do"] == "ceilings":
            raise WorkerCrashError("the worker was killed by SIGILL")
        return ask(self, request, timeout)

    monkeypatch.setattr(WorkerProcess, "ask", crash_on_ceilings)
    folder.write_meta(ceilings=None)
    (row,) = run_sweep([planned("good")], folder, LIMITS)
    assert (row.status, row.pct_roof) == ("ok", None)
    assert "no ceilings of cpu, so no share of a roof: the worker was killed by SIGILL" in capsys.readouterr().err


def test_rows_are_kept_in_memory_only_while_a_later_job_wants_them(misbehaving: str, folder: RunFolder) -> None:
    from immabench.measure.sweep import _Known

    first, second, other = planned("good"), planned("good", suite="other"), planned("chatty")
    known = _Known([first, other, second], folder)
    assert known.row(first) is None
    known.learn(first.job.row("ok"))
    assert known.row(other) is None
    known.learn(other.job.row("ok"))
    assert list(known._rows) == [first.job.row_id]
    again = known.row(second)
    assert again is not None
    assert (again.suite, known._rows) == ("other", {})


def test_the_csv_is_what_pandas_writes(folder: RunFolder) -> None:
    import pandas

    timed = {"time_us_median": 1e-7, "samples": 3, "verified": True, "reason": 'a "quoted", one\nof two lines'}
    counts = {"mma": 4, "ldmatrix": {"wavefronts": 8}, "lines": [{"line": 42}]}
    for row in (
        planned("good").job.row("ok", **timed),
        planned("chatty").job.row("ok", counts=counts, hazards=0, time_us_median=1e17),
        planned("exit").job.row("crashed"),
        planned("good").job.row("ok", **timed, tops=2.5),
        planned("good").job.row("ok", **timed, problem=float_problem(planned("good").job.problem, "f32")),
    ):
        folder.append(row)
    frame = folder.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert folder.write_csv().read_text() == frame.to_csv(index=False)
    slim = folder.rows(lines=False)[0]
    assert slim.counts == {"mma": 4, "ldmatrix": {"wavefronts": 8}}
    assert [row.counts for row in folder.whole([slim])] == [counts]


@pytest.mark.parametrize("torn", ["", "x", "x" * 200_000])
@pytest.mark.parametrize("whole", ["", "a\n", "a\n" + "b" * 100_000 + "\n"])
def test_a_torn_line_of_any_length_is_cut_off(folder: RunFolder, whole: str, torn: str) -> None:
    path = folder.path / "rows.jsonl"
    path.write_text(whole + torn)
    folder.drop_torn_line()
    assert path.read_text() == whole
