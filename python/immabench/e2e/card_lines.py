"""Rows of runtimes as lines of a model's card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from immabench.accuracy.card import MIB
from immabench.accuracy.row_files import rows_in
from immabench.e2e.folder import E2eFolder
from immabench.e2e.rows import E2eRow
from immabench.errors import UsageError
from immabench.readable import number, ratio

FILE = "e2e.jsonl"
"""The rows beside a card."""


def keep_rows(folders: Sequence[Path], weights_digest: str, path: Path) -> None:
    """Write the `ok` rows of run folders of `immabench e2e` into a file, in their order, in the place of what it held.

    Raises RunFolderError for what is no such folder, UsageError for one of other weights.
    """
    rows = [row for folder in folders for row in E2eFolder.open(folder).rows]
    for row in rows:
        if row.weights_digest != weights_digest:
            raise UsageError(f"a run is of other weights, {row.title}", "name runs of this very model")
    lines = [row.model_dump_json() + "\n" for row in rows if row.status == "ok"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def card_lines(path: Path) -> list[list[str]]:
    """A line a row of such a file, by the columns of `accuracy/card.md.j2`; none where there is no file."""
    return [_line(row) for row in rows_in(path, E2eRow)] if path.is_file() else []


def _line(row: E2eRow) -> list[str]:
    length = f", {row.length} tokens" if row.length else ""
    return [
        row.runtime,
        row.precision,
        row.recipe,
        f"{row.batch}{length}",
        number(row.latency_ms_p50),
        number(row.throughput),
        ratio(row.speedup),
        "" if row.accuracy_top1 is None else f"{100 * row.accuracy_top1:.2f}",
        "" if row.size_bytes is None else f"{row.size_bytes / MIB:.2f}",
        f"{row.machine}, {row.device}, {row.threads} threads, {row.measured_at[:10]}",
    ]
