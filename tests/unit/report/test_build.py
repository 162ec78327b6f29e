from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from immabench.errors import RunFolderError
from immabench.measure.run_folder import RunFolder
from immabench.report import build_report
from immabench.report.build import document_of
from immabench.report.document import gather
from immabench.report.page import marked, render_page, script_json
from immabench.report.summary import markdown_table
from immabench.report.tables import Column, Table, text

SPEEDUPS = ["speedup_cpu_synthetic-net_over_bf16", "speedup_cpu_synthetic-net_over_fp32"]
MEASURED = ["gain_cpu", "model_totals", "roofline_cpu", "share_of_roof_cpu", *SPEEDUPS]
PLOTS = ["emulation_l2_traffic", "emulation_useful_mma", *MEASURED]
CHARTS = {"roofline-cpu", "share-cpu", "gain-cpu", "models", "grid-useful_mma", "grid-l2_traffic"}


class Sources(HTMLParser):
    """Collects everything a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"src"} if tag == "a" else {"src", "href", "srcset", "data"}
        self.found += [value for name, value in attrs if name in wanted and value]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> RunFolder:
    """A synthetic run with its report; tests only read it."""
    folder: RunFolder = synthetic.write_run(tmp_path_factory.mktemp("report") / "run")
    assert build_report(folder.path) == folder.path / "report.html"
    return folder


@pytest.fixture(scope="module")
def html(built: RunFolder) -> str:
    return (built.path / "report.html").read_text(encoding="utf-8")


def test_all_files_are_there_and_none_is_empty(built: RunFolder) -> None:
    assert (built.path / "rows.csv").is_file()
    for name in PLOTS:
        for kind in ("png", "svg", "csv"):
            assert (built.path / "plots" / f"{name}.{kind}").stat().st_size > 200
    files = {path.name for path in (built.path / "plots").iterdir()}
    assert files == {"drawn.json"} | {f"{name}.{kind}" for name in PLOTS for kind in ("png", "svg", "csv")}


def test_the_page_fetches_nothing(html: str) -> None:
    sources = Sources()
    sources.feed(html)
    assert sources.found == ["data:,"]
    assert "@import" not in html.split("</style>")[0]
    assert html.count("plotly.js v") == 1


def test_texts_of_a_run_cannot_break_out_of_the_page(html: str) -> None:
    assert "&lt;no&gt; 16-byte alignment &amp; K=65" in html
    assert "<no>" not in html
    assert "</script>" not in str(script_json({"case": "</script><b>"}))
    assert marked("**a** `b` <i>") == "<strong>a</strong> <code>b</code> &lt;i&gt;"


def test_the_same_rows_give_the_same_page(built: RunFolder, html: str) -> None:
    assert render_page(document_of(built)) == html


def test_plot_numbers_are_those_of_the_rows(built: RunFolder) -> None:
    with (built.path / "plots" / "roofline_cpu.csv").open() as file:
        points = {record["name"]: record for record in csv.DictReader(file) if record["kind"] == "row"}
    for row in built.rows():
        if row.tops is not None:
            assert float(points[row.row_id]["tops"]) == pytest.approx(row.tops)


def test_charts_are_valid_json_with_values(html: str) -> None:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    charts = json.loads(found[1])
    assert set(charts) == CHARTS | {f"grid-{name}" for name in SPEEDUPS}
    assert all(len(trace["x"]) > 0 for chart in charts.values() for trace in chart["data"])


def test_the_summary_fits_a_page(built: RunFolder) -> None:
    summary = (built.path / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("# immabench: synthetic-net\n")
    assert len(summary.splitlines()) < 120
    assert "plots/roofline_cpu.png" in summary


def test_long_tables_are_cut_and_say_so() -> None:
    table = Table("t", [Column("a|b", "text")])
    for n in range(25):
        table.add(text(f"x|{n}"))
    shown = markdown_table(table)
    assert "5 more in report.html" in shown
    assert "x\\|0" in shown
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        table.add(text(1), text(2))


def test_a_partial_run_is_reported_as_unfinished(run: RunFolder) -> None:
    html = render_page(gather(run.rows(), {**run.meta, "finished_utc": None, "ceilings": None, "git": None}))
    assert "not finished: rows so far" in html
    assert "No ceiling was measured" in html


def test_an_emulated_run_has_no_time_chart(tmp_path: Path, synthetic: ModuleType) -> None:
    synthetic.write_run(tmp_path / "run", timed=False)
    build_report(tmp_path / "run")
    assert sorted(path.stem for path in (tmp_path / "run" / "plots").glob("*.png")) == PLOTS[:2]


def test_a_run_without_rows_is_one_line(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run")
    with pytest.raises(RunFolderError, match="holds no row"):
        build_report(tmp_path / "run")


def test_an_unwritable_folder_is_one_line(run: RunFolder) -> None:
    (run.path / "plots").write_text("in the way", encoding="utf-8")
    with pytest.raises(RunFolderError, match="cannot write into"):
        build_report(run.path)


def test_a_page_shows_the_first_rows_and_says_so(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.report.tables.MOST_ROWS", 2)
    monkeypatch.setattr("immabench.report.charts.roofline.MOST_POINTS", 2)
    page = build_report(run.path).read_text()
    assert "The first 2 of " in page
    assert "every row is in rows.csv and rows.jsonl." in page
    assert "the first 2 of " in page
    rows = (run.path / "rows.csv").read_text().splitlines()
    assert len(rows) == 1 + len(run.rows())


def test_instructions_stand_in_a_table_of_their_own(run: RunFolder, synthetic: ModuleType) -> None:
    assert "Peak rates of instructions" not in render_page(gather(run.rows(), run.meta))
    doc = gather(run.rows(), {**run.meta, "ceilings": {"cpu": synthetic.WITH_INSTRUCTIONS}})
    assert "Peak rates of instructions" in render_page(doc)
    shown = [record["instruction"] for record in doc.tables["instructions"].records()]
    assert shown == ["invented dot", "invented routine", "invented tiles"]
    marks = [record["ceiling"] for record in doc.tables["instructions"].records()]
    assert marks == ["ceiling", "", ""]


ONE_PAGE = """
import hashlib, sys
import synthetic
from immabench.report.document import gather
from immabench.report.page import render_page
sizes = (16, 32, 64, 128)
cases = [(f"b1/c{m}x{n}", m, n, 4096 // m * 64 // n, 1) for m in sizes for n in sizes]
rows = [synthetic.timed_row(case, kind)[0] for case in cases for kind in synthetic.EFFICIENCY]
print(hashlib.sha256(render_page(gather(rows, synthetic.meta("run"))).encode()).hexdigest())
"""


def test_a_page_is_the_same_in_every_process() -> None:
    """Shapes of equal work stand in the order of rows: not in that of a set, which differs by process."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    pages = {
        subprocess.run(
            [sys.executable, "-c", ONE_PAGE],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(pages) == 1
