"""The report of a comparison of runtimes: rows and nothing else to one table, notes, `summary.md` and `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from immabench.accuracy.card import MIB
from immabench.e2e.charts import charts
from immabench.e2e.folder import E2eFolder
from immabench.e2e.rows import FAILED, E2eRow
from immabench.errors import RunFolderError
from immabench.measure.run_folder import utc_now
from immabench.readable import NOTHING, number, ratio
from immabench.report.page import render
from immabench.report.provenance import command, entries
from immabench.report.summary import markdown_table
from immabench.report.tables import Cell, Column, Table, text, value

COLUMNS = [
    Column("runtime", "text", choose=True),
    Column("precision", "text", choose=True),
    Column("status", "status", drop=True),
    Column("batch"),
    Column("p50", unit="ms", hint="median latency of a run"),
    Column("interval", "text", hint="of the median, 99 %"),
    Column("p90", unit="ms"),
    Column("p99", unit="ms", hint="of 100 runs or more"),
    Column("samples/s", hint="of the median"),
    Column("speedup", hint="over torch in fp32 at the same batch"),
    Column("top-1", unit="%"),
    Column("from fp32", "text", unit="points", hint="paired difference with its 95 % interval"),
    Column("memory", unit="MiB", hint="peak of the process, less what it had before the runtime"),
    Column("size", unit="MiB", hint="weights as stored"),
]

QUIET = 0.05
"""A share of the CPUs that other work may take without a word."""

PROVENANCE = ("run", "started", "finished", "machine", "system", "code", "versions")


def build_report(folder: Path) -> Path:
    """Write `rows.csv`, `summary.md` and `report.html` into a run folder; returns the page's path.

    Raises RunFolderError for a folder without rows, or that cannot be written.
    """
    run = E2eFolder.open(folder)
    rows = run.rows
    if not rows:
        raise RunFolderError(f"{folder} holds no row yet", "go on with immabench e2e, --out and --resume")
    run.write_meta(finished_utc=utc_now())
    try:
        run.write_csv()
        (folder / "summary.md").write_text(summary(rows, run.meta), encoding="utf-8")
        page = folder / "report.html"
        page.write_text(_page(rows, run.meta), encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write into {folder}: {error.strerror}", "make the folder writable") from error
    return page


def table_of(rows: Sequence[E2eRow]) -> Table:
    """Rows below the columns, in the order they came."""
    table = Table("rows", COLUMNS)
    for row in rows:
        table.add(*cells_of(row))
    return table


def cells_of(row: E2eRow) -> list[Cell]:
    """A row's cells, by COLUMNS."""
    accuracy = None if row.accuracy_top1 is None else 100 * row.accuracy_top1
    precision = row.precision if row.recipe == row.precision else f"{row.precision} ({row.recipe})"
    return [
        text(row.runtime, hint=row.backend),
        text(precision, hint=row.computed),
        text(row.status, tone="bad" if row.status in FAILED else "", hint=row.reason),
        value(str(row.batch or NOTHING), row.batch),
        _number(row.latency_ms_p50),
        text(_interval(row.latency_ms_interval)),
        _number(row.latency_ms_p90),
        _number(row.latency_ms_p99),
        _number(row.throughput),
        value(ratio(row.speedup), row.speedup, hint=_interval(row.speedup_interval)),
        value(NOTHING if accuracy is None else f"{accuracy:.2f}", accuracy),
        text(_difference(row)),
        _number(None if row.memory_bytes is None else row.memory_bytes / MIB),
        _number(None if row.size_bytes is None else row.size_bytes / MIB),
    ]


def lead(rows: Sequence[E2eRow]) -> str:
    """The fastest beside torch in fp32, and what that costs; "" where nothing was timed beside it."""
    others = [row for row in rows if row.speedup is not None and (row.runtime, row.precision) != ("torch", "fp32")]
    if not others:
        return ""
    best = max(others, key=lambda row: row.speedup or 0.0)
    accuracy = "" if best.difference is None else f", top-1 {_difference(best)} points from it"
    doubt = " But the machine was busy: repeat it on an idle one." if _busy(rows) else ""
    return f"Fastest beside torch in fp32: {best.point}, {ratio(best.speedup)} as fast{accuracy}.{doubt}"


def notes(rows: Sequence[E2eRow], drift: dict[str, Any] | None) -> list[str]:
    """What the table cannot say: reasons, fallbacks, what really ran, other work, drift. One line each."""
    reasons = [f"{row.runtime} {row.precision}: {row.status}, {row.reason}" for row in rows if row.reason]
    lines = list(dict.fromkeys(reasons))
    lines += dict.fromkeys(f"{row.recipe}: {reason}" for row in rows for reason in row.fallbacks)
    lines += dict.fromkeys(f"{row.runtime} {row.precision} ran on {row.backend}" for row in rows if row.backend)
    lines += _busy(rows)
    lines += [_drifted(drift)] if drift else []
    watermark = rows[0].watermark
    return lines + ([f"note: {rows[0].title} was {watermark}"] if watermark else [])


def summary(rows: Sequence[E2eRow], meta: dict[str, Any]) -> str:
    """The table in Markdown, with its notes."""
    blocks = [f"# immabench: {_title(rows)}", _subtitle(rows), lead(rows), markdown_table(table_of(rows))]
    blocks += ["\n".join(f"- {note}" for note in notes(rows, meta.get("drift"))), f"Again: `{command(meta)}`"]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _page(rows: Sequence[E2eRow], meta: dict[str, Any]) -> str:
    first = min((row for row in rows if row.batch), key=lambda row: row.batch or 0, default=None)
    return render(
        "e2e.html.j2",
        charts(rows),
        title=_title(rows),
        subtitle=_subtitle(rows),
        smallest=f"batch {first.batch}" if first else "",
        rows=table_of(rows).without_constant(),
        lead=lead(rows),
        notes=notes(rows, meta.get("drift")),
        command=command(meta),
        provenance=[(label, said) for label, said in entries(meta) if label in PROVENANCE],
    )


def _title(rows: Sequence[E2eRow]) -> str:
    return f"{rows[0].title}, end to end"


def _subtitle(rows: Sequence[E2eRow]) -> str:
    first = rows[0]
    samples = max(row.samples for row in rows)
    length = next((f", {row.length} tokens" for row in rows if row.length), "")
    return f"{first.data}, {samples} samples; {first.machine}, {first.device}, {first.threads} threads{length}"


def _drifted(drift: dict[str, Any]) -> str:
    if "ratio" not in drift:
        return f"drift: {drift['point']} could not be repeated ({drift['reason']})"
    times = f"{number(drift['first_ms'])} ms first and {number(drift['last_ms'])} ms when repeated at the end"
    return f"drift: {drift['point']} took {times} ({ratio(drift['ratio'])}, {drift['verdict']})"


def _busy(rows: Sequence[E2eRow]) -> list[str]:
    """That other work ran beside, where it took more than it may."""
    most = max((row.others_share or 0.0 for row in rows), default=0.0)
    if most <= QUIET:
        return []
    return [f"the machine was busy: other work took up to {100 * most:.0f} % of its CPUs while runs were timed"]


def _difference(row: E2eRow) -> str:
    if row.difference is None or row.difference_interval is None:
        return NOTHING
    low, high = (100 * end for end in row.difference_interval)
    return f"{100 * row.difference:+.2f} [{low:+.2f}, {high:+.2f}]"


def _interval(interval: tuple[float, float] | None) -> str:
    return NOTHING if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def _number(found: float | None) -> Cell:
    return value(number(found), found)
