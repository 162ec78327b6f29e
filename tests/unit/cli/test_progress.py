"""Progress: a line a row off a terminal, and of samples a line now and then."""

from __future__ import annotations

import io

import pytest

from immabench.cli import progress
from immabench.measure.case import Job
from immabench.problems import Problem

JOB = Job("suite", "case", 1, Problem(1, 2, 3), "reference", "reference_numpy", "cpu")


def test_rows_in_one_line_each() -> None:
    name = JOB.row_id
    assert progress.describe(JOB.row("ok", time_us_median=1234.56)) == f"{name} ok 1,234.6 us"
    assert progress.describe(JOB.row("ok")) == f"{name} ok"
    assert progress.describe(JOB.row("crashed", "SIGSEGV")) == f"{name} crashed: SIGSEGV"


def test_plain_lines_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [JOB.row("ok"), JOB.row("skipped", "too [large]")]
    assert list(progress.shown(rows, 2)) == rows
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"[1/2] {JOB.row_id} ok"
    assert lines[1] == f"[2/2, 0 s left] {JOB.row_id} skipped: too [large]"


def test_a_bar_on_a_terminal_prints_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr("immabench.cli.output.console", lambda stderr=False: terminal)
    rows = [JOB.row("ok"), JOB.row("crashed", "killed by [SIGSEGV]")]
    assert list(progress.shown(rows, 2)) == rows
    assert "crashed: killed by [SIGSEGV]" in screen.getvalue()


def test_durations() -> None:
    assert [progress._duration(seconds) for seconds in (0.4, 59.6, 125)] == ["0 s", "1 min 0 s", "2 min 5 s"]


class Clock:
    """Says what time it is."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_samples_in_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.SampleProgress() as show:
        for done in range(0, 101, 10):
            show("calibrating [all]", done, 100)
            clock.now += 2
    assert capsys.readouterr().err.splitlines() == [
        "calibrating [all]: 30/100 samples, 14 s left",
        "calibrating [all]: 60/100 samples, 8 s left",
        "calibrating [all]: 90/100 samples, 2 s left",
    ]


def test_the_clock_of_samples_starts_with_each_piece_of_work(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.SampleProgress() as show:
        for what, done, total in [("fp32", 1, 9), ("int8", 500, 1000), ("int8", 600, 1000), ("int8", 10, 10)]:
            clock.now += 6
            show(what, done, total)
    assert capsys.readouterr().err.splitlines() == [
        "fp32: 1/9 samples",
        "int8: 500/1000 samples",
        "int8: 600/1000 samples, 24 s left",
        "int8: 10/10 samples",
    ]


def test_samples_in_one_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr("immabench.cli.output.console", lambda stderr=False: terminal)
    shown = progress.SampleProgress()
    with shown as show:
        for what, done in [("fp32", 0), ("fp32", 64), ("int8 [bold]", 32), ("int8 [bold]", 64)]:
            show(what, done, 64)
            assert shown._bar is not None
            (task,) = shown._bar.tasks
            assert (task.description, task.completed, task.total) == (what, done, 64)
    assert "int8 [bold]" in screen.getvalue()
    assert "64/64" in screen.getvalue()
