"""Transactions by source line of one emulated row: where in the kernel the bytes move and where they are wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immabench.measure.transactions import place_of
from immabench.readable import data_size, number
from immabench.report.emulation import ideal_cell
from immabench.report.keys import row_key
from immabench.report.tables import Column, Table, text, value

if TYPE_CHECKING:
    from immabench.report.emulation import Emulated

WITHOUT = "The rows of this run carry no per-line counts. `immabench emulate KERNEL --shape MxNxK --json` prints them."


def line_table(best: Emulated | None) -> Table:
    """Counts of each source line that moves data, busiest first."""
    columns = [
        Column("source line", "code"),
        Column("operation", "text", choose=True),
        Column("requests"),
        Column("bytes"),
        Column("transactions", hint="32-byte sectors of global memory or wavefronts of shared memory"),
        Column("unit", "text", choose=True),
        Column("share of unit", unit="%"),
        Column("against ideal", unit="×"),
    ]
    table = Table("lines", columns, empty=WITHOUT)
    entries = source_lines(best)
    totals = {unit: sum(int(e["units"]) for e in entries if e["unit"] == unit) for unit in ("sectors", "wavefronts")}
    for entry in sorted(entries, key=lambda e: (e["unit"], -int(e["units"]))):
        share = int(entry["units"]) / totals[entry["unit"]] if totals.get(entry["unit"]) else None
        table.add(
            text(place_of(entry), hint=str(entry["file"])),
            text(entry["operation"]),
            value(number(entry["requests"]), entry["requests"]),
            value(data_size(entry["bytes"]), entry["bytes"]),
            value(number(entry["units"]), entry["units"]),
            text(entry["unit"]),
            value(number(share and 100 * share), share and 100 * share, share=share),
            ideal_cell(entry["units"] / entry["ideal"] if entry["ideal"] else None),
            key=row_key(best.row) if best else "",
        )
    return table


def source_lines(best: Emulated | None) -> list[dict[str, Any]]:
    """Per-line entries stored with a row's counts, [] where a run keeps none."""
    if best is None or not best.row.counts:
        return []
    return [dict(entry) for entry in dict(best.row.counts).get("lines", [])]
