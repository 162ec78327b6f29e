from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from immabench.measure.run_folder import RunFolder
from immabench.report.build import document_of
from immabench.report.document import gather
from immabench.report.summary import LEAST_ROWS, MOST_LINES, MOST_ROWS, findings, render_summary
from immabench.report.tables import text


def test_findings_are_the_extremes_of_the_rows(run: RunFolder) -> None:
    document = document_of(run)
    gains = {
        one.row.case: one.speedup for one in document.timings if one.row.a_type == "s8" and one.speedup is not None
    }
    best, worst = max(gains, key=lambda case: gains[case]), min(gains, key=lambda case: gains[case])
    largest, smallest, to_win = findings(document)
    assert largest.startswith(f"**cpu**: largest int8 gain over fp32 {gains[best]:.2f}× at {best} (")
    assert smallest.startswith(f"**cpu**: smallest int8 gain over fp32 {gains[worst]:.2f}× at {worst} (")
    lost = {
        f"{one.row.case} {one.row.kernel_id}": one.microseconds * (1 - one.row.pct_roof / 100)
        for one in document.timings
        if one.row.pct_roof is not None and one.row.pct_roof < 50
    }
    case, kernel = max(lost, key=lambda name: lost[name]).split()
    assert f"most time to win at {case} (" in to_win
    assert f"`{kernel}`" in to_win
    assert f"{len(lost)} timings of {len(document.timings)} below half" in to_win


def test_what_matters_comes_first_and_everything_fits_a_page(run: RunFolder) -> None:
    plots = [f"plot_{n}" for n in range(9)]
    text = render_summary(document_of(run), plots)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[:3] == [
        "# immabench: synthetic-net",
        "## Findings (measured)",
        "## Why not faster (lowest efficiency first)",
    ]
    assert headings[3] == "## Not ok"
    assert len(text.splitlines()) <= 100
    assert text.count("](plots/plot_") == 2 + len(plots)
    assert text.count("![") == 2
    assert "[report.html](report.html)" in text


def test_a_large_run_still_fits_a_page(synthetic: ModuleType) -> None:
    rows = []
    for index in range(400):
        case = (f"b1/case{index}", 64 + index, 64, 64, 1)
        rows += [synthetic.timed_row(case, kind)[0] for kind in synthetic.EFFICIENCY]
        rows += [row.model_copy(update={"reason": f"reason {index}"}) for row in synthetic.failed_rows()[:1]]
        rows += [synthetic.emulated_row(case, (f"kernel_{index}", 64, 64, 64))]
    text = render_summary(gather(rows, synthetic.meta("run")), [f"plot_{n}" for n in range(30)])
    assert len(text.splitlines()) <= 100
    assert len(text.encode()) < 64 * 1024
    speed = text[text.index("## Largest shapes") :].splitlines()
    shown = next(index for index, line in enumerate(speed[4:]) if not line)
    assert LEAST_ROWS <= shown <= MOST_ROWS
    assert speed[4 + shown + 1] == f"{1200 - shown:,} more in report.html."
    assert "463×64×64" in speed[4]  # the largest first


def test_every_table_at_its_longest_still_fits_a_page(run: RunFolder) -> None:
    document = document_of(run)
    tables = {}
    for name, table in document.tables.items():
        of = table.rows or [[text("1×1×1")] * len(table.columns)]
        tables[name] = replace(table, rows=of * 40, keys=[""] * 40 * len(of))
    longest = replace(document, tables=tables, verdict=["a paragraph"] * 8)
    summary = render_summary(longest, [f"plot_{n}" for n in range(9)])
    assert len(summary.splitlines()) <= MOST_LINES
    assert summary.count("more in report.html.") == 5
    assert summary.count("\n## ") == 6  # findings, reasons, failures, models, shapes, kernels


def test_texts_of_a_run_are_no_tags(run: RunFolder) -> None:
    text = render_summary(document_of(run), [])
    assert "\\<no> 16-byte" in text
    assert " <no>" not in text
    assert "Plots" not in text


def test_an_emulated_run_has_no_findings_of_speed(synthetic: ModuleType) -> None:
    rows = [synthetic.emulated_row(case, synthetic.KERNELS[0]) for case in synthetic.CASES]
    text = render_summary(gather(rows, synthetic.meta("run")), [])
    assert "(measured)" not in text
    assert "## Kernels (emulated: counts, no time)" in text
