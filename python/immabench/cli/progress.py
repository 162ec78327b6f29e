"""Progress on standard error: a bar with an ETA on a terminal; elsewhere one line a row, or now and then of samples."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from immabench.accuracy.outputs import Progress
    from immabench.measure.rows import Row

LINE_SECONDS = 5.0
"""The least time between two lines of samples."""


def shown(rows: Iterable[Row], total: int) -> Iterator[Row]:
    """Pass `rows` through, showing each as it comes."""
    from immabench.cli.output import console

    return _bar(rows, total) if console(stderr=True).is_terminal else _lines(rows, total)


def describe(row: Row) -> str:
    """A row in one line: its id, its status, and its time or what went wrong."""
    if row.status != "ok":
        return f"{row.row_id} {row.status}: {row.reason}"
    if row.time_us_median is not None:
        return f"{row.row_id} ok {row.time_us_median:,.1f} us"
    return f"{row.row_id} ok"


class SampleProgress:
    """Progress of work over samples: `with SampleProgress() as progress`, then `progress(what, done, total)`.

    `what` names a piece of work, such as "calibrating"; another name, or fewer samples done, begins another piece. Of
    the last one a bar shows how long it still takes; off a terminal a line does, every `LINE_SECONDS` at most.
    """

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from immabench.cli.output import console

        if not console(stderr=True).is_terminal:
            return _SampleLines()
        description = TextColumn("{task.description}", markup=False)
        columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console(stderr=True), transient=True)
        self._bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _advance(self, what: str, done: int, total: int) -> None:
        assert self._bar is not None, "entered on a terminal"
        task = next(iter(self._bar.tasks), None)
        if task is not None and (task.description != what or done < task.completed):
            self._bar.remove_task(task.id)
            task = None
        if task is None:
            self._bar.add_task(what, total=total, completed=done)
        else:
            self._bar.update(task.id, completed=done, total=total)


class _SampleLines:
    """Progress of samples off a terminal."""

    def __init__(self) -> None:
        self._what, self._first, self._done = "", 0, 0
        self._began = self._last_line = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self._what or done < self._done:
            # The clock starts with the first report: what was done before, such as what a resumed run has, took none.
            self._what, self._first, self._began = what, done, now
        self._done = done
        if now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            print(f"{what}: {done}/{total} samples{self._left(now, total)}", file=sys.stderr, flush=True)

    def _left(self, now: float, total: int) -> str:
        since = self._done - self._first
        return f", {_duration((now - self._began) / since * (total - self._done))} left" if since else ""


def _bar(rows: Iterable[Row], total: int) -> Iterator[Row]:
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from immabench.cli.output import console

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        for row in rows:
            progress.update(task, advance=1, description=escape(describe(row))[:100])
            if row.status not in ("ok", "skipped"):
                progress.console.print(describe(row), markup=False)
            yield row


def _lines(rows: Iterable[Row], total: int) -> Iterator[Row]:
    first = 0.0
    for number, row in enumerate(rows, start=1):
        # The clock starts with the first row: what comes before it, such as the ceilings, is not repeated.
        first = first or time.monotonic()
        left = (time.monotonic() - first) / max(1, number - 1) * (total - number)
        eta = f", {_duration(left)} left" if number > 1 else ""
        print(f"[{number}/{total}{eta}] {describe(row)}", file=sys.stderr, flush=True)
        yield row


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
