"""Everything that is not ok, with its reason; equal reasons are one line so that a thousand skips stay readable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from immabench.readable import number, shape_text
from immabench.report.keys import row_key
from immabench.report.tables import Column, Table, first_rows, text, value

if TYPE_CHECKING:
    from immabench.measure.rows import Row


def failure_table(rows: Iterable[Row]) -> Table:
    """One line a (status, provider, device, reason): how many rows, and one example to reproduce it."""
    columns = [
        Column("status", "status", choose=True),
        Column("provider", "text", choose=True),
        Column("device", "text", choose=True),
        Column("reason", "prose"),
        Column("rows"),
        Column("example", "code"),
    ]
    table = Table("failures", columns, empty="Every row is ok.")
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row.status != "ok":
            groups.setdefault((row.status, row.provider, row.device_kind, row.reason), []).append(row)
    shown, table.note = first_rows(sorted(groups.items(), key=_severity))
    for (status, provider, device, reason), of in shown:
        table.add(
            text(status, tone="quiet" if status == "skipped" else "bad"),
            text(provider),
            text(device),
            text(reason or "no reason recorded"),
            value(number(len(of)), len(of)),
            text(f"{of[0].kernel_id} at {shape_text(of[0].sizes)}"),
            key=row_key(of[0]),
        )
    return table


def _severity(item: tuple[tuple[str, str, str, str], list[Row]]) -> tuple[bool, int]:
    (status, *_), of = item
    return (status == "skipped", -len(of))
