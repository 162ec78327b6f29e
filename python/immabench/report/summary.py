"""The summary for a CI page: what was found, what went wrong and where to look, in Markdown of at most 100 lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from immabench.readable import duration, number, plural, ratio, shape_text
from immabench.report.palette import precision_name
from immabench.report.speed import int8_speedups
from immabench.report.tables import Cell, Table

if TYPE_CHECKING:
    from immabench.report.document import Document
    from immabench.report.speed import Timing

MOST_LINES = 100
"""Of a summary: a CI page is read from the top."""

MOST_ROWS, LEAST_ROWS = 10, 3
"""Lines of each table here, the more the fewer tables there are; the page has them all."""

MOST_PICTURES = 2
"""Plots that stand in the text; the others are links."""

SPEED_COLUMNS = ("case", "M×N×K", "provider", "time", "rate", "share of roof", "gain over fp32", "packing, once")
REASON_COLUMNS = ("case", "M×N×K", "kernel", "efficiency", "why", "costs", "try")


def render_summary(document: Document, plots: Sequence[str]) -> str:
    """Verdict, findings, reasons, failures, then tables, each with as many lines as `MOST_LINES` leaves room for.

    Whole tables are in report.html and rows.csv.
    """
    texts = (_rendered(document, plots, most) for most in range(MOST_ROWS, LEAST_ROWS, -1))
    fitting = (text for text in texts if text.count("\n") <= MOST_LINES)
    return next(fitting, None) or _rendered(document, plots, LEAST_ROWS)


def _rendered(document: Document, plots: Sequence[str], most: int) -> str:
    """The summary with at most so many lines of each table."""
    tables, section = document.tables, partial(_section, most)
    blocks = [f"# immabench: {document.title}", *map(_plain, document.verdict)]
    blocks += _list("Findings (measured)", findings(document))
    blocks += section("Why not faster (lowest efficiency first)", tables["reasons"], REASON_COLUMNS)
    blocks += section("Not ok", tables["failures"])
    blocks += section("Matrix time of the models (measured)", tables["models"])
    blocks += section("Largest shapes (measured)", _by_work(tables["speed"]), SPEED_COLUMNS)
    blocks += section("Kernels (emulated: counts, no time)", tables["kernels"])
    blocks += _plots(plots)
    blocks += ["Everything, row by row: [report.html](report.html), [rows.csv](rows.csv)."]
    blocks += [f"Again: `{document.command}`"] if document.command else []
    return "\n\n".join(blocks) + "\n"


def findings(document: Document) -> list[str]:
    """The extremes a reader asks for first, each with its case: gains over fp32, and distance to the roof."""
    found = document.timings
    lines = []
    for device in dict.fromkeys(one.row.device_kind for one in found):
        of = [one for one in found if one.row.device_kind == device]
        lines += [f"**{device}**: {line}" for line in (*_gains(of), *_shares(of))]
    return lines


def _gains(of: Sequence[Timing]) -> list[str]:
    """Of int8 over fp32, the best and the worst."""
    gains = int8_speedups(of, of[0].row.device)
    if not gains:
        return []
    ends = [gains[-1]] if len(gains) == 1 else [gains[-1], gains[0]]
    return [
        f"{word} int8 gain over fp32 {_said(one)}" for word, one in zip(("largest", "smallest"), ends, strict=False)
    ]


def _shares(of: Sequence[Timing]) -> list[str]:
    """The row that leaves most time on the table: the slowest of those below half of their roof."""
    far = [one for one in of if one.row.pct_roof is not None and one.row.pct_roof < 50]
    if not far:
        return []
    worst = max(far, key=_lost)
    lost = f"{duration(_lost(worst))} of {duration(worst.microseconds)} above its roof"
    share = f"{number(worst.row.pct_roof)} % of the roof"
    return [
        f"most time to win at {_place(worst)} by {precision_name(worst.series.precision)} `{worst.row.kernel_id}`: "
        f"{share}, {lost}; {plural(len(far), 'timing')} of {len(of):,} below half of the roof"
    ]


def _lost(one: Timing) -> float:
    """Microseconds beyond what the roof allows."""
    return one.microseconds * (1 - (one.row.pct_roof or 100) / 100)


def _said(one: Timing) -> str:
    return f"{ratio(one.speedup)} at {_place(one)}: {duration(one.microseconds)} by `{one.row.kernel_id}`"


def _place(one: Timing) -> str:
    return f"{one.row.case} ({shape_text(one.shape)})" if one.row.case else shape_text(one.shape)


def _by_work(table: Table) -> Table:
    """The table with the largest shapes first, in the order it had where they are equal."""
    at = next((n for n, column in enumerate(table.columns) if column.title == "M×N×K"), None)
    if at is None:
        return table
    order = sorted(range(len(table.rows)), key=lambda n: -prod(map(int, table.rows[n][at].text.split("×"))))
    keys = [table.keys[n] for n in order]
    return Table(table.name, table.columns, [table.rows[n] for n in order], keys, table.note, table.empty, table.parts)


def _plots(names: Sequence[str]) -> list[str]:
    """The first plots as pictures, all of them as links."""
    pictures = [f"![{name.replace('_', ' ')}](plots/{name}.png)" for name in names[:MOST_PICTURES]]
    return [*pictures, "Plots: " + ", ".join(f"[{name}](plots/{name}.png)" for name in names)] if names else []


def _list(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {line}" for line in lines)] if lines else []


def _section(most: int, title: str, table: Table, only: tuple[str, ...] = ()) -> list[str]:
    return [f"## {title}", markdown_table(table, only, most)] if table.rows else []


def markdown_table(table: Table, only: tuple[str, ...] = (), most: int = 20) -> str:
    """A Markdown table of the first rows, columns limited to the titles in ``only`` where given."""
    keep = [index for index, column in enumerate(table.columns) if not only or column.title in only]
    columns = [table.columns[index] for index in keep]
    head = [f"{c.title} ({c.unit})" if c.unit else c.title for c in columns]
    rule = [":--" if c.kind != "number" else "--:" for c in columns]
    body = [[_cell(row[index], table.columns[index].kind) for index in keep] for row in table.rows[:most]]
    lines = [head, rule, *body]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    left = len(table.rows) - most
    return text + (f"\n\n{left:,} more in report.html." if left > 0 else "")


def _cell(cell: Cell, kind: str) -> str:
    shown = cell.text.replace("|", "\\|").replace("\n", " ")
    return f"`{shown}`" if kind == "code" and shown else _plain(shown)


def _plain(text: str) -> str:
    """What looks like a tag is text of a run, and would not be shown."""
    return text.replace("<", "\\<")
