from __future__ import annotations

from types import ModuleType

import pytest

from immabench.measure.run_folder import RunFolder
from immabench.report import shares as module
from immabench.report.document import Document
from immabench.report.roofline import rooflines
from immabench.report.shares import most_work, share_range, shares
from immabench.report.speed import timings


def test_shares_are_those_of_the_rows_and_the_ridge_says_what_bounds_them(gpu_document: Document) -> None:
    (roof,) = gpu_document.rooflines
    found = gpu_document.shares["cuda"]
    assert len(found) == 29 * 7
    peaks = {peak.precision: peak.tops for peak in roof.peaks}
    for one in found:
        row = one.timing.row
        assert one.pct_roof == row.pct_roof
        assert one.bound == ("memory" if row.flops_per_byte * 1.8 < peaks[row.a_type] else "compute")
    assert {one.bound for one in found} == {"memory", "compute"}


def test_rows_of_s4_stand_under_the_roof_of_s8_where_s4_is_no_instruction(synthetic_gpu: ModuleType) -> None:
    ceilings = synthetic_gpu.CEILINGS
    native = [entry for entry in ceilings["instructions"] if entry["operand_type"] != "s4"]
    meta = {**synthetic_gpu.meta(), "ceilings": {"cuda": {**ceilings, "instructions": native}}}
    rows = [row for row in synthetic_gpu.rows() if row.a_type == "s4"]
    (roof,) = rooflines(rows, meta)
    knee = roof.knee(roof.peak_of("s8"))
    found = shares(timings(rows), roof)
    assert knee > 0
    assert [one.bound for one in found] == [
        "memory" if one.timing.row.flops_per_byte < knee else "compute" for one in found
    ]
    assert {one.bound for one in found} == {"memory", "compute"}


def test_cases_are_sorted_by_their_best_share(gpu_document: Document) -> None:
    found = gpu_document.shares["cuda"]
    cases = list(dict.fromkeys(one.case for one in found))
    best = [max(one.pct_roof for one in found if one.case == case) for case in cases]
    assert best == sorted(best, reverse=True)


def test_without_a_roof_there_are_no_shares(run: RunFolder) -> None:
    rows = [row.model_copy(update={"pct_roof": None}) for row in run.rows()]
    (roof,) = rooflines(rows, {})
    assert shares(timings(rows), roof) == []


def test_the_oracle_and_other_devices_take_no_part(run: RunFolder) -> None:
    rows = run.rows()
    (roof,) = rooflines(rows, run.meta)
    of_oracle = [row.model_copy(update={"provider": "reference"}) for row in rows]
    elsewhere = [row.model_copy(update={"device": "another"}) for row in rows]
    assert len(shares(timings(rows), roof)) == 18
    assert shares(timings(of_oracle), roof) == []
    assert shares(timings(elsewhere), roof) == []


def test_only_the_cases_with_most_work_are_drawn(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CASES", 2)
    (roof,) = rooflines(run.rows(), run.meta)
    found = shares(timings(run.rows()), roof)
    shown, note = most_work(found)
    assert {one.case[1] for one in shown} == {"b8/layer1", "b8/layer2"}
    assert note == "The 2 cases with most work are drawn, 4 more are in rows.csv."
    monkeypatch.setattr(module, "MOST_CASES", 6)
    assert most_work(found) == (found, "")


def test_the_axis_ends_at_the_roof_or_above_the_highest_share(gpu_document: Document) -> None:
    found = gpu_document.shares["cuda"]
    assert share_range(found) == (0.0, 105.0)
    above = [module.Share(found[0].timing, 120.0, "memory")]
    assert share_range(above) == pytest.approx((0.0, 126.0))
