from __future__ import annotations

from types import ModuleType

import pytest

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.models import model_table, model_totals
from immabench.report.speed import timings
from immabench.report.uses import Use, uses_of_rows
from immabench.suites import load_suite


def test_a_total_is_the_sum_of_calls_times_time(run: RunFolder) -> None:
    rows = run.rows()
    totals = {(t.model, t.series.precision): t for t in model_totals(rows, timings(rows))}
    own = [row for row in rows if row.case.startswith("b1/") and row.a_type == "s8" and row.time_us_median]
    total = totals["synthetic-net b1", "s8"]
    assert total.microseconds == pytest.approx(sum(row.calls * (row.time_us_median or 0.0) for row in own))
    assert total.complete
    assert total.speedup == pytest.approx(totals["synthetic-net b1", "f32"].microseconds / total.microseconds)


def test_an_incomplete_total_is_not_compared(run: RunFolder) -> None:
    rows = [
        row.model_copy(update={"status": "crashed", "time_us_median": None})
        if (row.case, row.a_type) == ("b1/layer2", "f32")
        else row
        for row in run.rows()
    ]
    totals = {(t.model, t.series.precision): t for t in model_totals(rows, timings(rows))}
    assert not totals["synthetic-net b1", "f32"].complete
    assert totals["synthetic-net b1", "s8"].speedup is None
    assert totals["synthetic-net b8", "s8"].speedup is not None
    shown = {
        (line["model"], line["provider"]): line["shapes timed"] for line in model_table([*totals.values()]).records()
    }
    assert shown["synthetic-net b1", "torch fp32"] == pytest.approx(3 / 4)


def test_a_suite_without_call_counts_is_no_model(run: RunFolder) -> None:
    rows = [row.model_copy(update={"calls": 1}) for row in run.rows()]
    assert model_totals(rows, timings(rows)) == []


def suite_rows(synthetic: ModuleType, suite: str, cases: str = "") -> list[Row]:
    """A timed int8 row for every case of a suite whose name begins with ``cases``."""
    row: Row = synthetic.timed_row(synthetic.CASES[0], "s8")[0]
    shapes = [case for case in load_suite(suite).expand() if case.name.startswith(cases)]
    return [
        row.model_copy(
            update={
                "suite": suite,
                "case": case.name,
                "calls": case.calls,
                "m": case.problem.m,
                "n": case.problem.n,
                "k": case.problem.k,
            }
        )
        for case in shapes
    ]


def test_a_shape_shared_by_variants_counts_for_each(synthetic: ModuleType) -> None:
    rows = suite_rows(synthetic, "distilbert")
    by_case, models = uses_of_rows(rows)
    shared = [uses for uses in by_case.values() if len({use.model for use in uses}) > 1]
    assert shared, "the suite has no shape that two variants share: choose another for this test"
    calls = {key: sum(use.calls for use in uses) for key, uses in by_case.items()}
    assert all(total == key[2] for key, total in calls.items())
    totals = {total.model: total for total in model_totals(rows, timings(rows))}
    assert set(totals) == set(models)
    assert all(total.complete for total in totals.values())
    assert next(iter(totals)) == "distilbert b1s32"


def test_a_variant_swept_in_part_has_no_total(synthetic: ModuleType) -> None:
    rows = suite_rows(synthetic, "distilbert", "b1s32/")
    assert any(" + b" in row.case for row in rows), "some of these shapes belong to other variants as well"
    assert {total.model for total in model_totals(rows, timings(rows))} == {"distilbert b1s32"}


def test_a_changed_suite_falls_back_to_the_rows(synthetic: ModuleType) -> None:
    row: Row = synthetic.timed_row(synthetic.CASES[1], "s8")[0]
    single = row.model_copy(update={"suite": "no-such-suite", "case": "b1/conv", "calls": 3})
    merged = single.model_copy(update={"case": "b1/conv + b8/conv"})
    by_case, models = uses_of_rows([single, merged])
    use = Use("no-such-suite b1", "b1/conv", 3, (row.m, row.n, row.k))
    assert by_case["no-such-suite", "b1/conv", 3] == [use]
    assert by_case["no-such-suite", "b1/conv + b8/conv", 3] == []
    assert models == {"no-such-suite b1": {use}}
