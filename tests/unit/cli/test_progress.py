"""Progress: a line a row off a terminal."""

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
