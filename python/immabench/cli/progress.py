"""Progress of a sweep on standard error: a bar with an ETA on a terminal, one line a row elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immabench.measure.rows import Row


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
    import sys

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
