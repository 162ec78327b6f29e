from __future__ import annotations

import json
import re
from types import ModuleType

import pytest

from immabench.measure.run_folder import RunFolder
from immabench.report.build import document_of
from immabench.report.document import gather
from immabench.report.keys import row_key
from immabench.report.page import ASSETS, SCRIPTS, STYLES, render_page
from immabench.report.page_values import PageValues
from immabench.report.tables import Column, Table, text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> RunFolder:
    folder: RunFolder = synthetic.write_run(tmp_path_factory.mktemp("report") / "run")
    return folder


@pytest.fixture(scope="module")
def html(built: RunFolder) -> str:
    return render_page(document_of(built))


def test_every_line_that_shows_a_row_leads_to_its_panel(html: str, built: RunFolder) -> None:
    linked = set(re.findall(r'data-row="(\w+)"', html))
    panels = PageValues(html).values["panels"]["rows"]
    assert linked <= set(panels)
    timed = {row_key(row) for row in built.rows() if row.time_us_median}
    emulated = {row_key(row) for row in built.rows() if row.counts}
    failed = {row_key(row) for row in built.rows() if row.status not in ("ok", "skipped")}
    assert timed | emulated | failed <= linked


def test_every_table_of_rows_has_a_key_for_each_line(built: RunFolder) -> None:
    tables = document_of(built).tables
    for table in tables.values():
        assert len(table.keys) == len(table.rows)
    for name in ("speed", "emulation", "failures", "lines"):
        assert tables[name].rows
        assert all(tables[name].keys)


def test_leaving_out_a_column_keeps_the_keys() -> None:
    table = Table("t", [Column("a", "text", drop=True), Column("b", "text")])
    table.add(text("x"), text("1"), key="first")
    table.add(text("x"), text("2"))
    kept = table.without_constant()
    assert ([column.title for column in kept.columns], kept.keys) == (["b"], ["first", ""])


def test_panels_cannot_break_out_of_the_page(synthetic: ModuleType) -> None:
    row = synthetic.failed_rows()[0].model_copy(update={"reason": "</script><script>alert(1)</script>"})
    html = render_page(gather([row], synthetic.meta("run")))
    assert "<script>alert" not in html
    assert PageValues(html).values["panels"]["rows"][row_key(row)]["values"][1] == row.reason


def test_what_is_read_back_is_what_was_gathered(html: str, built: RunFolder) -> None:
    document, values = document_of(built), PageValues(html).values
    assert values["rows.jsonl"] == document.rows_digest
    speed = values["table speed"]
    assert len(speed) == len(document.tables["speed"].rows)
    for cells, key in zip(document.tables["speed"].rows, document.tables["speed"].keys, strict=True):
        shown = list(speed[f"row {key}"].values())
        assert [cell["sorted by"] for cell in shown] == [str(cell.sort) for cell in cells]
        assert [cell["text"] for cell in shown] == [cell.text for cell in cells]
    assert values["panels"]["rows"] == json.loads(json.dumps(document.details.rows))
    assert "chart models" in values
    assert any(one.startswith("synthetic-net: 7 matrix shapes") for one in values["texts"])
    assert document.command in values["texts"]
    assert len(values["table lines"]) == len(document.tables["lines"].rows)


def test_every_asset_is_part_of_the_page(html: str) -> None:
    assert {path.name for path in ASSETS.iterdir()} == {
        *STYLES,
        *SCRIPTS,
        "macros.html.j2",
        "report.html.j2",
        "e2e.html.j2",
    }
    for name in (*STYLES, *SCRIPTS):
        assert (ASSETS / name).read_text(encoding="utf-8") in html
