"""What the report shows of explanations."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from immabench.explain import FORMULA
from immabench.measure.run_folder import RunFolder
from immabench.report.keys import row_key
from immabench.report.reasons import Reasons, break_even_table, reason_table, reasons


def of(run: RunFolder) -> Reasons:
    return reasons(run.rows(), run.meta)


def test_every_timed_row_is_explained_worst_first(run: RunFolder) -> None:
    found = of(run).found
    timed = [row for row in run.rows() if row.status == "ok" and row.time_us_median and row.step == "compute"]
    assert {row_key(one.row) for one in found} == {row_key(row) for row in timed}
    efficiencies = [one.efficiency for one in found]
    assert efficiencies == sorted(efficiencies)


def test_the_table_has_the_shares_of_rows_and_leads_to_them(run: RunFolder) -> None:
    table = reason_table(of(run))
    column = [one.title for one in table.columns].index("efficiency")
    shares = {row_key(row): row.pct_roof for row in run.rows()}
    assert [line[column].sort for line in table.rows] == pytest.approx([shares[key] for key in table.keys])
    assert FORMULA in table.note


def test_words_are_found_by_the_key_of_a_row(run: RunFolder) -> None:
    found = of(run)
    assert set(found.words) == {row_key(one.row) for one in found.found}
    assert all("efficient" in sentences[0] for sentences in found.words.values())


def test_the_verdict_counts_causes(run: RunFolder) -> None:
    found = of(run)
    far = sum(one.is_far for one in found.found)
    assert f"{far} row" in found.verdict
    assert Reasons().verdict == ""


def test_a_large_run_has_its_farthest_rows_explained(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of(run)
    monkeypatch.setattr("immabench.report.reasons.MOST_ROWS", 4)
    found = of(run)
    assert [one.row for one in found.found] == [one.row for one in whole.found[:4]]
    assert found.left == len(whole.found) - 4
    assert "of 4 looked at are far from their roofs" in found.verdict
    assert f"{found.left} rows nearer to their roofs are left to `immabench explain`" in reason_table(found).note
    assert "left to" not in reason_table(whole).note


def test_a_run_without_roof_says_so(tmp_path: Path, synthetic: ModuleType) -> None:
    run: Any = synthetic.write_run(tmp_path / "run", timed=False)
    assert of(run) == Reasons()
    assert reason_table(Reasons()).empty.startswith("No timed row has a measured roof")
    assert break_even_table([]).rows == []
