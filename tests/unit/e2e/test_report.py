"""Rows to the page, the summary and lines of cards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from immabench.e2e.card_lines import card_lines, keep_rows
from immabench.e2e.charts import charts
from immabench.e2e.folder import E2eFolder
from immabench.e2e.report import build_report, cells_of, lead, notes, table_of
from immabench.e2e.rows import E2eRow
from immabench.errors import RunFolderError, UsageError

MACHINE = {"cpu": "a CPU", "cores": 2, "memory_bytes": 1 << 30, "os": "Linux", "gpus": []}


def row(runtime: str = "torch", precision: str = "fp32", batch: int | None = 1, **changes: Any) -> E2eRow:
    """A row as a bench writes it; of torch in fp32 8 ms, all others 2 ms."""
    reference = (runtime, precision) == ("torch", "fp32")
    latency = (8.0 if reference else 2.0) * (batch or 1)
    measured = {
        "latency_ms_p50": latency,
        "latency_ms_interval": (0.9 * latency, 1.1 * latency),
        "throughput": 1e3 * (batch or 1) / latency,
        "speedup": 8e0 * (batch or 1) / latency,
        "accuracy_top1": 0.9,
        "accuracy_interval": (0.85, 0.95),
        "difference": 0.0 if reference else -0.01,
        "difference_interval": (-0.02, 0.01),
        "runs": 50,
        "memory_bytes": 30 << 20,
        "size_bytes": 1 << 20,
    }
    common = {
        "key": f"{runtime}{precision}{batch}",
        "model": "toy",
        "title": "Toy",
        "watermark": "",
        "runtime": runtime,
        "device": "cpu",
        "precision": precision,
        "recipe": {"int8": "w8a8"}.get(precision, precision),
        "recipe_digest": precision,
        "computed": "fp32",
        "backend": f"{runtime} 1.0",
        "status": "ok",
        "reason": "",
        "data": "toys",
        "data_digest": "d",
        "weights_digest": "w",
        "samples": 60,
        "batch": batch,
        "fallbacks": [],
        "threads": 2,
        "machine": "a CPU",
        "versions": {},
        "measured_at": "2026-01-02T03:04:05Z",
    }
    return E2eRow(**{**common, **(measured if batch else {}), **changes})


ROWS = [
    row(),
    row(batch=8),
    row("onnxruntime", "int8", fallbacks=["fc: no kernel"]),
    row("onnxruntime", "int8", 8),
    row("onnxruntime", "bf16", None, status="unsupported", reason="no <kernels> of bf16", backend=""),
]


def write(path: Path, rows: list[E2eRow]) -> Path:
    folder = E2eFolder.create(path, False, {"argv": ["immabench", "e2e", "toy"], "machine": MACHINE, "drift": None})
    for one in rows:
        folder.add(one, [1.0])
    return path


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
