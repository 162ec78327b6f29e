"""The summary for a CI page: the verdict and the tables that fit, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immabench.report.tables import Cell, Table

if TYPE_CHECKING:
    from immabench.report.document import Document

MOST_ROWS = 20
SPEED_COLUMNS = ("case", "M×N×K", "provider", "time", "rate", "share of roof", "gain over fp32", "packing, once")


def render_summary(document: Document, plots: list[str]) -> str:
    """Markdown of at most a few screens; whole tables are in report.html and rows.csv."""
    tables = document.tables
    blocks = [f"# immabench: {document.title}", *document.verdict]
    blocks += _section("Matrix time of the models (measured)", tables["models"])
    blocks += _section("Speed by shape (measured)", tables["speed"], SPEED_COLUMNS)
    blocks += _section("Kernels (emulated: counts, no time)", tables["kernels"])
    blocks += _section("Not ok", tables["failures"])
    blocks += ["Plots: " + ", ".join(f"[{name}](plots/{name}.png)" for name in plots)] if plots else []
    blocks += [f"Again: `{document.command}`"] if document.command else []
    return "\n\n".join(blocks) + "\n"


def _section(title: str, table: Table, only: tuple[str, ...] = ()) -> list[str]:
    return [f"## {title}", markdown_table(table, only)] if table.rows else []


def markdown_table(table: Table, only: tuple[str, ...] = ()) -> str:
    """A Markdown table of the first rows, columns limited to the titles in ``only`` where given."""
    keep = [index for index, column in enumerate(table.columns) if not only or column.title in only]
    columns = [table.columns[index] for index in keep]
    head = [f"{c.title} ({c.unit})" if c.unit else c.title for c in columns]
    rule = [":--" if c.kind in ("text", "code", "status") else "--:" for c in columns]
    body = [[_cell(row[index], table.columns[index].kind) for index in keep] for row in table.rows[:MOST_ROWS]]
    lines = [head, rule, *body]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    left = len(table.rows) - MOST_ROWS
    return text + (f"\n\n{left:,} more in report.html." if left > 0 else "")


def _cell(cell: Cell, kind: str) -> str:
    shown = cell.text.replace("|", "\\|").replace("\n", " ")
    return f"`{shown}`" if kind == "code" and shown else shown
