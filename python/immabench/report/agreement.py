"""Emulated counts beside the counters of a GPU: the only table in which both stand, each in a column of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from immabench.profile.agreement import TOLERANCE, Agreement
from immabench.readable import number, ratio
from immabench.report.tables import Column, Table, first_rows, text, value
from immabench.row_ids import launch_of


def agreement_table(found: Sequence[Agreement], keys: Mapping[str, str]) -> Table:
    """One line a count of a profiled row whose kernel and problem were emulated too; `keys` are those of rows by id."""
    columns = [
        Column("kernel", "code", choose=True),
        Column("problem", "code", choose=True, drop=True),
        Column("GPU", "text", drop=True),
        Column("count", "text", choose=True),
        Column("emulated", hint="counted while the kernel source ran on the CPU"),
        Column("measured", hint="by the counters of the GPU"),
        Column("ratio", unit="measured / emulated"),
        Column("agrees", "status", choose=True, hint=f"within {100 * TOLERANCE:g} % of the emulated count"),
        Column("expected difference", "text"),
    ]
    table = Table("agreement", columns, empty="No profiled row was emulated in this run too.")
    shown, table.note = first_rows(found, "Barriers of a block have no counter, so they are not here.")
    for one in shown:
        table.add(
            *map(text, launch_of(one.row_id) or ("", "")),
            text(one.device),
            text(one.count),
            value(number(one.emulated), one.emulated),
            value(number(one.measured), one.measured),
            value(ratio(one.ratio), one.ratio),
            text("yes" if one.within else "no", tone="good" if one.within else "bad"),
            text(one.reason),
            key=keys.get(one.row_id, ""),
        )
    return table
