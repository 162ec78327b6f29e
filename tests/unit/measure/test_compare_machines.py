"""Runs of machines that changed: the roof over a row moves its interval."""

from __future__ import annotations

import pytest
from compared_runs import STEADY, Run, scaled

from immabench.measure.case import Job
from immabench.measure.compare import compare_runs, roof_change
from immabench.problems import Problem


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


def test_packing_is_allowed_for_by_bandwidth_and_products_by_their_roof() -> None:
    metas = [{"ceilings": {"cpu": {"int8_tops": tops, "copy_gbps": 10.0 * tops}}} for tops in (1.0, 0.5)]
    still = [{"ceilings": {"cpu": {"int8_tops": tops, "copy_gbps": 10.0}}} for tops in (1.0, 0.5)]
    product = Job("suite", "case", 1, Problem(4096, 4096, 4096), "reference", "reference_numpy", "cpu").row("ok")
    packing = product.model_copy(update={"step": "pack"})
    assert (roof_change(product, *metas), roof_change(packing, *metas)) == (0.5, 0.5)
    assert (roof_change(product, *still), roof_change(packing, *still)) == (0.5, 1.0)
