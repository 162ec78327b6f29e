"""Compare what a report has written with what the rows of its run give now: page, summary, table of rows, plots.

The report is gathered anew from the folder and laid out again, and both are read in the same way, value by value. Plots
are not drawn again: their numbers are compared, as CSV, and each picture has to be, byte for byte, the one that was
drawn of these numbers. Not compared is what the page says of the installation's machine code.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.assets import checksum
from immabench.report.details import FIELDS
from immabench.report.drift import Drift, Value
from immabench.report.page_values import PageValues
from immabench.report.plots.files import DRAWN, SUFFIXES, csv_text

ROW = re.compile("row ([0-9a-f]{12})")

if TYPE_CHECKING:
    from immabench.measure.run_folder import RunFolder
    from immabench.report.document import Document
    from immabench.report.plots import Plot


def compared(folder: RunFolder) -> Iterator[Drift]:
    """Every value that the run's report shows, beside what its rows give; nothing for a run without a report."""
    run = folder.path
    if (run / "rows.csv").is_file():
        yield from _table(folder)
    if not any((run / name).exists() for name in ("report.html", "summary.md", "plots")):
        return
    from immabench.report.build import document_of
    from immabench.report.plots import plots_of

    document = document_of(folder)
    plots = list(plots_of(document))
    if (run / "plots").is_dir():
        yield from _plots(plots, run / "plots")
    if (run / "summary.md").is_file():
        yield from _summary(document, plots, run)
    if (run / "report.html").is_file():
        yield from _page(document, run)


def _page(document: Document, run: Path) -> Iterator[Drift]:
    from immabench.report.page import render_page

    shown = PageValues((run / "report.html").read_text(encoding="utf-8")).values
    given = PageValues(render_page(document)).values
    remedy = f"; it is older than its rows: write it anew with `immabench report {run}`"
    made_of, rows = shown.pop("rows.jsonl"), given.pop("rows.jsonl")
    stale = remedy if made_of != rows else ""
    yield Drift("report.html", "made from the rows.jsonl of", "SHA-256", made_of, rows + stale)
    names = _names(document)
    for check in differences("report.html", [], shown, given):
        named = ROW.sub(lambda found: names.get(found[1], found[0]), check.place) if check.differs else check.place
        yield replace(check, place=named) if named != check.place else check


def _names(document: Document) -> dict[str, str]:
    """What a reader calls a row, by its key."""
    at = [one.name for one in FIELDS].index("row_id")
    return {key: f"row {key}, {row['values'][at]}" for key, row in document.details.rows.items()}


def differences(file: str, path: list[str], shown: Any, given: Any) -> Iterator[Drift]:
    """Every leaf of two trees of JSON values, by its path; a branch that only one of them has is one leaf."""
    if isinstance(shown, dict) and isinstance(given, dict):
        for name in dict.fromkeys([*shown, *given]):
            yield from differences(file, [*path, name], shown.get(name), given.get(name))
    elif isinstance(shown, list) and isinstance(given, list):
        for index, pair in enumerate(zip_longest(shown, given)):
            yield from differences(file, [*path, f"[{index}]"], *pair)
    else:
        yield Drift(file, ", ".join(path[:-1]), path[-1], _leaf(shown), _leaf(given))


def _leaf(value: Any) -> Value:
    """A branch without a partner is told by its size."""
    if isinstance(value, dict | list):
        return f"{len(value)} values" if value else ""
    leaf: Value = value
    return leaf


def _table(folder: RunFolder) -> Iterator[Drift]:
    """`rows.csv` line by line: it may have 100,000."""
    with tempfile.TemporaryDirectory() as fresh:
        given = folder.write_csv(Path(fresh) / "rows.csv")
        with given.open(encoding="utf-8", newline="") as lines:
            yield from _csv("rows.csv", folder.path / "rows.csv", lines, lambda record: str(record.get("row_id")))


def _csv(file: str, shown: Path, given: Iterable[str], name: Callable[[dict[str, Any]], str]) -> Iterator[Drift]:
    """Two tables line by line, up to the first line where one of them has another row."""
    with shown.open(encoding="utf-8", newline="") as lines:
        for number, (old, new) in enumerate(zip_longest(csv.DictReader(lines), csv.DictReader(given)), start=2):
            names = [name(record) if record else None for record in (old, new)]
            yield Drift(file, f"line {number}", "row", names[0], names[1])
            if names[0] != names[1] or old is None or new is None:
                return
            for column in dict.fromkeys([*old, *new]):
                yield Drift(file, f"row {names[0]}", f"column {column}", old.get(column), new.get(column))


def _plots(plots: Sequence[Plot], folder: Path) -> Iterator[Drift]:
    """The numbers of every plot, and whether its files are those that were drawn."""
    for plot in plots:
        shown = folder / f"{plot.name}.csv"
        if shown.is_file():
            yield from _csv(f"plots/{shown.name}", shown, StringIO(csv_text(plot.records)), lambda record: "")
    stated = _drawn(folder)
    yield Drift(f"plots/{DRAWN}", "", "plots", ", ".join(stated), ", ".join(plot.name for plot in plots))
    for plot in plots:
        for suffix in SUFFIXES:
            yield _file(folder / f"{plot.name}.{suffix}", stated.get(plot.name, {}).get(suffix))


def _drawn(folder: Path) -> dict[str, dict[str, str]]:
    """What was drawn; nothing where that is not written there, or damaged."""
    try:
        stated = json.loads((folder / DRAWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: dict(files) for name, files in stated.items()}


def _file(path: Path, drawn: str | None) -> Drift:
    """A file of a plot; of one that is there, whether it is what was `drawn`."""
    if not path.is_file():
        return Drift(f"plots/{path.name}", "", "file", None, path.name)
    return Drift(f"plots/{path.name}", "", "SHA-256", checksum(path), drawn, "the files drawn")


def _summary(document: Document, plots: Sequence[Plot], run: Path) -> Iterator[Drift]:
    from immabench.report.summary import render_summary

    lines = (run / "summary.md").read_text(encoding="utf-8").splitlines()
    given = render_summary(document, [plot.name for plot in plots]).splitlines()
    for number, pair in enumerate(zip_longest(lines, given), start=1):
        yield Drift("summary.md", f"line {number}", "", *pair)
