"""Two run folders compared: which rows get a verdict, which do not and why, and in what order."""

from __future__ import annotations

import json

import pytest
from compared_runs import STEADY, Run, scaled

from immabench.errors import NothingSelectedError, RunFolderError
from immabench.measure.compare import compare_runs


def test_rows_are_judged_and_the_worst_come_first(runs: tuple[Run, Run]) -> None:
    a, b = runs
    for m in range(1, 6):
        a.add(m, STEADY)
    for m, times in ((1, STEADY), (2, scaled(0.9)), (3, scaled(1.1)), (4, scaled(1.2))):
        b.add(m, times)
    b.add(5, None, "incorrect", reason="3 of 40 differ")
    found = compare_runs(a.path, b.path)
    assert [(row.case, row.verdict) for row in found.verdicts] == [
        ("m5", "BROKEN"),
        ("m4", "SLOWER"),
        ("m3", "SLOWER"),
        ("m1", "SAME"),
        ("m2", "FASTER"),
    ]
    assert found.verdicts[0].reason == "ok in A, incorrect in B: 3 of 40 differ"
    assert found.verdicts[1].ratio.value == pytest.approx(1.2)
    assert (found.verdicts[1].time_us_a, found.verdicts[1].samples_b) == (100.0, 40)
    assert found.counts == {"BROKEN": 1, "SLOWER": 2, "INCONCLUSIVE": 0, "SAME": 1, "FASTER": 1}
    assert sorted(found.ratios) == pytest.approx([0.9, 1.0, 1.1, 1.2])


def test_what_has_no_verdict_is_named(runs: tuple[Run, Run]) -> None:
    a, b = runs
    shared = a.add(1, STEADY)
    only_a, only_b, skipped, repaired = a.add(2, STEADY), b.add(3, STEADY), a.add(4, STEADY), a.add(5, status="error")
    emulated = a.add(6, device_kind="emulated")
    b.add(1, STEADY)
    b.add(4, status="skipped")
    b.add(5, STEADY)
    b.add(6, device_kind="emulated")
    found = compare_runs(a.path, b.path)
    assert [row.key for row in found.verdicts] == [shared]
    assert [(row.key, row.reason) for row in found.only_in_a] == [(only_a, "only in A (ok)")]
    assert [(row.key, row.reason) for row in found.only_in_b] == [(only_b, "only in B (ok)")]
    assert {row.key: row.reason for row in found.not_compared} == {
        skipped: "ok in A, skipped in B",
        repaired: "error in A, ok in B",
        emulated: "has counts and no time",
    }


def test_an_emulated_row_that_fails_in_b_is_broken(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, device_kind="emulated")
    b.add(1, device_kind="emulated", status="incorrect", reason="1 hazard")
    (row,) = compare_runs(a.path, b.path).verdicts
    assert row.verdict == "BROKEN"
    assert row.as_dict()["ratio"] is row.as_dict()["interval"] is None


@pytest.mark.parametrize(
    ("field", "value"), [("device", "another CPU"), ("backend", "torch-cpu:_int_mm"), ("l2_state", "warm")]
)
def test_rows_about_different_things_are_inconclusive_unless_mixed(
    runs: tuple[Run, Run], field: str, value: str
) -> None:
    a, b = runs
    a.add(1, STEADY)
    b.add(1, scaled(1.5), **{field: value})
    found = compare_runs(a.path, b.path)
    (row,) = found.verdicts
    assert (row.verdict, row.ratio.interval) == ("INCONCLUSIVE", None)
    assert field in row.reason
    assert value in row.reason
    assert "--mixed" in row.reason
    assert row.at(0.5).verdict == "INCONCLUSIVE"
    assert found.ratios == []
    assert compare_runs(a.path, b.path, mixed=True).verdicts[0].verdict == "SLOWER"


def test_rows_of_different_timers_are_inconclusive_unless_mixed(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, STEADY, device_kind="cuda", timed_by="cuda events")
    b.add(1, scaled(1.5), device_kind="cuda", timed_by="nvbench 0.3.0")
    (row,) = compare_runs(a.path, b.path).verdicts
    assert row.verdict == "INCONCLUSIVE"
    assert row.reason.startswith("timer is 'cuda events' in A, 'nvbench 0.3.0' in B (--mixed")
    assert compare_runs(a.path, b.path, mixed=True).verdicts[0].verdict == "SLOWER"


def test_rows_from_before_timers_were_named_compare(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, STEADY)
    b.add(1, STEADY, timed_by="wall clock")
    assert compare_runs(a.path, b.path).verdicts[0].verdict == "SAME"


def test_too_few_or_missing_samples_are_inconclusive(runs: tuple[Run, Run]) -> None:
    a, b = runs
    few, missing = a.add(1, STEADY[:5]), a.add(2, STEADY)
    b.add(1, STEADY)
    b.add(2, STEADY)
    (b.path / "samples" / f"{missing}.json").unlink()
    reasons = {row.key: row.reason for row in compare_runs(a.path, b.path).verdicts}
    assert reasons[few] == "A: 5 samples are too few for an interval, 8 are needed"
    assert reasons[missing] == "B: no samples"
    json.dumps(compare_runs(a.path, b.path).as_dict(), allow_nan=False)


@pytest.mark.parametrize("content", ["[1, 2", '["x"]', "3", "[null]"])
def test_damaged_samples_are_one_line(runs: tuple[Run, Run], content: str) -> None:
    a, b = runs
    key = a.add(1, STEADY)
    b.add(1, STEADY)
    (b.path / "samples" / f"{key}.json").write_text(content)
    with pytest.raises(RunFolderError, match="is not a list of times; delete the file or sweep again"):
        compare_runs(a.path, b.path)


def test_a_measurement_that_two_cases_share_counts_once_in_the_mean(runs: tuple[Run, Run]) -> None:
    a, b = runs
    for run, times in ((a, STEADY), (b, scaled(1.1))):
        run.add(1, times, case="one")
        run.add(1, times, case="other")
    found = compare_runs(a.path, b.path)
    assert (len(found.verdicts), len(found.ratios)) == (2, 1)


def test_nothing_shared(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, STEADY)
    b.add(2, STEADY)
    with pytest.raises(NothingSelectedError, match=r"share no timed row .*1 only in A, 1 only in B"):
        compare_runs(a.path, b.path)


def test_packing_is_judged_apart_from_products(runs: tuple[Run, Run]) -> None:
    a, b = runs
    for run, factor in ((a, 1.0), (b, 2.0)):
        run.add(1, STEADY)
        run.add(2, scaled(factor), step="pack")
    found = compare_runs(a.path, b.path)
    assert {row.case: (row.verdict, row.step) for row in found.verdicts} == {
        "m1": ("SAME", "compute"),
        "m2": ("SLOWER", "pack"),
    }
    assert found.ratios == pytest.approx([1.0])
    assert found.as_dict()["geomean_ratio"] == pytest.approx(1.0)


def test_packing_is_not_compared_with_a_product(runs: tuple[Run, Run]) -> None:
    a, b = runs
    for run, step in ((a, "pack"), (b, "compute")):
        run.add(1, STEADY)
        run.add(2, STEADY, step=step)
    found = compare_runs(a.path, b.path, mixed=True)
    assert [(left.case, left.reason) for left in found.not_compared] == [("m2", "times pack in A, compute in B")]
