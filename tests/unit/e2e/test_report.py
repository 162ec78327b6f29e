"""Rows to the page, the summary and lines of cards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from toy_rows import ROWS, row, write

from immabench.e2e.card_lines import card_lines, keep_rows
from immabench.e2e.charts import charts
from immabench.e2e.report import build_report, cells_of, lead, notes, table_of
from immabench.errors import RunFolderError, UsageError


def test_the_report_is_one_offline_file(tmp_path: Path) -> None:
    page = build_report(write(tmp_path / "run", ROWS)).read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", page)
    assert "no &lt;kernels&gt; of bf16" in page
    data = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])  # type: ignore[index]
    assert set(data) == {"accuracy", "throughput"}
    assert {trace["name"] for trace in data["throughput"]["data"]} == {"torch fp32", "onnxruntime int8"}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["finished_utc"] is not None


def test_the_summary_has_every_row(tmp_path: Path) -> None:
    build_report(write(tmp_path / "run", ROWS))
    text = (tmp_path / "run" / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# immabench: Toy, end to end\n")
    assert text.count("| onnxruntime | int8 (w8a8) | ok |") == 2
    assert "Again: `immabench e2e toy`" in text
    assert len((tmp_path / "run" / "rows.csv").read_text().splitlines()) == 1 + len(ROWS)


def test_the_fastest_is_told_with_its_price() -> None:
    assert lead(ROWS) == (
        "Fastest beside torch in fp32: onnxruntime int8 b1, 4.00× as fast, top-1 -1.00 [-2.00, +1.00] points from it."
    )
    assert lead(ROWS[:2]) == ""
    busy = [*ROWS, row("immabench", "int8", others_share=0.4)]
    assert lead(busy).endswith(" But the machine was busy: repeat it on an idle one.")


def test_notes_leave_nothing_unsaid() -> None:
    drift = {"point": "torch fp32 b1", "first_ms": 8.0, "last_ms": 12.0, "ratio": 1.5, "verdict": "SLOWER"}
    found = notes([*ROWS, row("immabench", "int8", others_share=0.4, watermark="w")], drift)
    assert found == [
        "onnxruntime bf16: unsupported, no <kernels> of bf16",
        "w8a8: fc: no kernel",
        "torch fp32 ran on torch 1.0",
        "onnxruntime int8 ran on onnxruntime 1.0",
        "immabench int8 ran on immabench 1.0",
        "the machine was busy: other work took up to 40 % of its CPUs while runs were timed",
        "drift: torch fp32 b1 took 8.00 ms first and 12.0 ms when repeated at the end (1.50×, SLOWER)",
    ]
    assert notes([row(watermark="was made up")], None)[-1] == "note: Toy was was made up"


def test_cells_are_those_of_the_columns() -> None:
    shown = dict(zip([column.title for column in table_of(ROWS).columns], cells_of(ROWS[3]), strict=True))
    assert {name: cell.text for name, cell in shown.items()} == {
        "runtime": "onnxruntime",
        "precision": "int8 (w8a8)",
        "status": "ok",
        "batch": "8",
        "p50": "16.0",
        "interval": "14.4 to 17.6",
        "p90": "–",
        "p99": "–",
        "samples/s": "500",
        "speedup": "4.00×",
        "top-1": "90.00",
        "from fp32": "-1.00 [-2.00, +1.00]",
        "memory": "30.0",
        "size": "1.00",
    }


def test_charts_need_something_to_see() -> None:
    assert charts([ROWS[4]]) == {}
    assert set(charts([ROWS[0]])) == {"accuracy"}


def test_a_folder_without_rows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no row yet"):
        build_report(write(tmp_path / "run", []))


def test_cards_take_rows_of_the_same_weights(tmp_path: Path) -> None:
    run = write(tmp_path / "run", ROWS)
    kept = tmp_path / "e2e.jsonl"
    assert card_lines(kept) == []
    keep_rows([run], "w", kept)
    lines = card_lines(kept)
    assert len(lines) == 4, "what was not measured is no line"
    assert lines[2][:7] == ["onnxruntime", "int8", "w8a8", "1", "2.00", "500", "4.00×"]
    with pytest.raises(UsageError, match="a run is of other weights, Toy"):
        keep_rows([run], "other", kept)
