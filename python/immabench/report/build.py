"""Build the report of a run folder: read rows, gather, then write page, summary, table of rows and plots."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from immabench.errors import RunFolderError

if TYPE_CHECKING:
    from immabench.measure.run_folder import RunFolder
    from immabench.report.document import Document


def build_report(run: Path) -> Path:
    """Write ``report.html``, ``summary.md``, ``rows.csv`` and ``plots/`` into the run folder; returns the page's path.

    The same rows give the same numbers every time: nothing is measured here. Raises RunFolderError for a folder that is
    missing, damaged, without rows or not writable.
    """
    from immabench.measure.run_folder import RunFolder

    folder = RunFolder.open(run)
    document = document_of(folder)
    try:
        folder.write_csv()
        return _write(document, run)
    except OSError as error:
        raise RunFolderError(f"cannot write into {run}: {error.strerror}", "make the folder writable") from error


def document_of(folder: RunFolder) -> Document:
    """Everything the report of a run shows, from its folder alone. Raises RunFolderError for one without rows."""
    from immabench.assets import checksum
    from immabench.profile.actions import read_actions
    from immabench.report.document import gather

    rows = folder.rows(lines=False)  # by source line they are most of the memory, and one row's are shown
    if not rows:
        remedy = "run the sweep first: immabench sweep SUITE --out DIR --resume"
        raise RunFolderError(f"{folder.path} holds no row yet", remedy)
    return gather(
        rows,
        folder.meta,
        folder.whole,
        samples=partial(_samples, folder.path),
        actions=read_actions(folder.path),
        rows_digest=checksum(folder.path / "rows.jsonl"),
    )


def _samples(run: Path, row_id: str) -> list[float]:
    from immabench.report.check import read_samples

    return read_samples(run / "samples" / f"{row_id}.json")


def _write(document: Document, run: Path) -> Path:
    from immabench.report.page import render_page
    from immabench.report.plots import write_plots
    from immabench.report.summary import render_summary

    plots = write_plots(document, run / "plots")
    (run / "summary.md").write_text(render_summary(document, plots), encoding="utf-8")
    page = run / "report.html"
    page.write_text(render_page(document), encoding="utf-8")
    return page
