"""Two run folders compared: which rows get a verdict, which do not and why, and in what order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from immabench.errors import NothingSelectedError, RunFolderError, UsageError
from immabench.measure.case import Job
from immabench.measure.compare import FailRule, compare_runs, parse_fail_rule, parse_percent, roof_change
from immabench.measure.run_folder import RunFolder
from immabench.problems import Problem

STEADY = [99.0, 100.0, 101.0, 100.0] * 10


@dataclass
class Run:
    """A run folder that a test fills row by row."""

    folder: RunFolder

    @property
    def path(self) -> Path:
        return self.folder.path

    def add(self, m: int, times: list[float] | None = None, status: str = "ok", **values: Any) -> str:
        """Append a row of an m x 8 x 8 problem and its samples; returns its key."""
        device_kind, case = values.pop("device_kind", "cpu"), values.pop("case", f"m{m}")
        job = Job("suite", case, 1, Problem(m, 8, 8), "reference", "reference_numpy", device_kind)
        known = {"backend": "numpy", "device": "EPYC", "l2_state": "rotated"}
        if times is not None:
            known |= {"time_us_median": sorted(times)[len(times) // 2], "samples": len(times)}
            self.folder.write_samples(job.row_id, times)
        self.folder.append(job.row(status, **{**known, **values}))
        return job.row_id


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[str], Run]:
    return lambda name: Run(RunFolder.create(tmp_path / name))


@pytest.fixture
def runs(new_run: Callable[[str], Run]) -> tuple[Run, Run]:
    return new_run("a"), new_run("b")


def scaled(factor: float) -> list[float]:
    return [factor * time for time in STEADY]


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


def test_a_machine_that_changed_is_noted(runs: tuple[Run, Run]) -> None:
    a, b = runs
    for run, rate in ((a, 0.2), (b, 0.3)):
        run.add(1, STEADY)
        run.folder.write_meta(ceilings={"cpu": {"fp32_tflops": rate, "copy_gbps": 9.0, "int8_tops": None}})
    (note,) = compare_runs(a.path, b.path).notes
    assert "fp32_tflops of its cpu ceilings was 0.2 before A and 0.3 before B" in note
    assert compare_runs(a.path, a.path).notes == ()
    b.folder.write_meta(ceilings=None)
    assert compare_runs(a.path, b.path).notes == ()


def test_a_roof_of_other_things_does_not_move_the_machine(runs: tuple[Run, Run]) -> None:
    """A run from before instructions were measured, against one with them: the roof is made of what both have."""
    a = runs[0]
    a.add(1, STEADY)
    old = {"int8_tops": 0.5, "fp32_tflops": 0.2, "copy_gbps": 9.0}
    dot = {"name": "dot", "operand_type": "s8", "accumulator": "s32", "status": "native", "cores": 2, "rate": 5.0}
    new = {**old, "read_gbps": 30.0, "instructions": [dot]}
    (row,) = a.folder.rows()
    moved = {**new, "read_gbps": 15.0, "copy_gbps": 4.5, "instructions": [{**dot, "rate": 2.5}]}
    kind = row.device_kind
    assert roof_change(row, {"ceilings": {kind: old}}, {"ceilings": {kind: new}}) == 1.0
    assert roof_change(row, {"ceilings": {kind: new}}, {"ceilings": {kind: moved}}) == pytest.approx(0.5)
    assert roof_change(row, {"ceilings": None}, {"ceilings": {kind: new}}) == 1.0


def test_nothing_shared(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, STEADY)
    b.add(2, STEADY)
    with pytest.raises(NothingSelectedError, match=r"share no timed row .*1 only in A, 1 only in B"):
        compare_runs(a.path, b.path)


def test_rules_judge_by_their_own_threshold(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, STEADY)
    b.add(1, scaled(1.06))
    rows = compare_runs(a.path, b.path, threshold=0.2).verdicts
    assert rows[0].verdict == "SAME"
    assert FailRule("slower", 0.03).met_by(rows)
    assert FailRule("any", 0.03).met_by(rows)
    assert not FailRule("slower", 0.08).met_by(rows)
    assert not FailRule("faster", 0.03).met_by(rows)


@pytest.mark.parametrize(("text", "share"), [("3%", 0.03), ("0.03", 0.03), (" 2.5 % ", 0.025), ("0", 0.0)])
def test_percent(text: str, share: float) -> None:
    assert parse_percent(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["3", "100%", "-1%", "nan", "inf%", "", "%", "three"])
def test_bad_percent_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a share below 100 %; write 3% or 0.03"):
        parse_percent(text)


@pytest.mark.parametrize("text", ["slower", "slow:3%", ":3%", "SLOWER:3%"])
def test_bad_rules_are_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="is not a rule to fail on; write slower:3%, faster:3%, any:3%"):
        parse_fail_rule(text)


def test_rules() -> None:
    assert parse_fail_rule("slower:3%") == FailRule("slower", 0.03)


def with_ceilings(run: Run, int8_tops: float, copy_gbps: float = 1e9) -> None:
    run.folder.write_meta(ceilings={"cpu": {"int8_tops": int8_tops, "copy_gbps": copy_gbps}})


@pytest.mark.parametrize(
    ("tops_b", "factor", "verdict"),
    [
        (1.0, 1.1, "SLOWER"),  # the machine is the same: the build is slower
        (0.9, 1.1, "INCONCLUSIVE"),  # the machine is as much slower as the row
        (0.9, 0.9, "FASTER"),  # faster on a slower machine
        (1.1, 0.9, "INCONCLUSIVE"),
        (1.1, 1.1, "SLOWER"),  # slower on a faster machine
        (1.005, 1.0, "SAME"),
    ],
)
def test_a_machine_that_changed_widens_the_interval(
    runs: tuple[Run, Run], tops_b: float, factor: float, verdict: str
) -> None:
    for run, tops, times in zip(runs, (1.0, tops_b), (STEADY, scaled(factor)), strict=True):
        run.add(64, times)
        with_ceilings(run, tops)
    assert compare_runs(runs[0].path, runs[1].path).verdicts[0].verdict == verdict


def test_only_the_roof_over_a_row_counts(runs: tuple[Run, Run]) -> None:
    """Copy bandwidth halves; a row bound by arithmetic does not feel it."""
    for run, times, gbps in zip(runs, (STEADY, scaled(1.1)), (1e9, 5e8), strict=True):
        run.add(64, times)
        with_ceilings(run, 1.0, gbps)
    assert compare_runs(runs[0].path, runs[1].path).verdicts[0].verdict == "SLOWER"


def repeated(new_run: Callable[[str], Run], name: str, factors: list[float]) -> list[Path]:
    """Runs of one side, each shifted as a whole."""
    made = [new_run(f"{name}{index}") for index in range(len(factors))]
    for run, factor in zip(made, factors, strict=True):
        run.add(64, scaled(factor))
    return [run.path for run in made]


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([1.0, 1.2, 1.1], [1.1, 1.0, 1.2], "INCONCLUSIVE"),  # each pair alone would be told apart
        ([1.0, 1.002, 0.998], [1.001, 0.999, 1.0], "SAME"),
        ([1.0, 1.002, 0.998], [1.051, 1.049, 1.05], "SLOWER"),
        ([1.05, 1.052, 1.048], [1.001, 0.999, 1.0], "FASTER"),
        ([1.0, 1.0], [1.0, 1.0], "SAME"),
    ],
)
def test_repeated_runs_judge_by_the_spread_between_them(
    new_run: Callable[[str], Run], a: list[float], b: list[float], verdict: str
) -> None:
    runs_a, runs_b = repeated(new_run, "a", a), repeated(new_run, "b", b)
    (row,) = compare_runs(runs_a[0], runs_b[0], again_a=runs_a[1:], again_b=runs_b[1:]).verdicts
    assert row.verdict == verdict


def test_repeats_of_one_side_only_and_gaps_are_said(new_run: Callable[[str], Run]) -> None:
    runs_a, runs_b = repeated(new_run, "a", [1.0, 1.1]), repeated(new_run, "b", [1.0])
    (row,) = compare_runs(runs_a[0], runs_b[0], again_a=runs_a[1:]).verdicts
    assert (row.verdict, row.reason) == ("INCONCLUSIVE", "repeated runs are needed on both sides, or on neither")
    empty = new_run("empty").path
    (row,) = compare_runs(runs_a[0], runs_b[0], again_a=runs_a[1:], again_b=[empty]).verdicts
    assert row.reason == "not timed in every run"


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


def test_packing_is_allowed_for_by_bandwidth_and_products_by_their_roof() -> None:
    metas = [{"ceilings": {"cpu": {"int8_tops": tops, "copy_gbps": 10.0 * tops}}} for tops in (1.0, 0.5)]
    still = [{"ceilings": {"cpu": {"int8_tops": tops, "copy_gbps": 10.0}}} for tops in (1.0, 0.5)]
    product = Job("suite", "case", 1, Problem(4096, 4096, 4096), "reference", "reference_numpy", "cpu").row("ok")
    packing = product.model_copy(update={"step": "pack"})
    assert (roof_change(product, *metas), roof_change(packing, *metas)) == (0.5, 0.5)
    assert (roof_change(product, *still), roof_change(packing, *still)) == (0.5, 1.0)
