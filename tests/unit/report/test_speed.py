from __future__ import annotations

import pytest

from immabench.measure.run_folder import RunFolder
from immabench.readable import shape_text
from immabench.report.speed import int8_speedups, mean_speedup, speed_table, timed_ok, timings


def test_speedup_is_fp32_time_over_own_time_of_the_same_shape(run: RunFolder) -> None:
    rows = run.rows()
    for one in timings(rows):
        floats = [r for r in rows if r.a_type == "f32" and (r.m, r.n, r.k) == one.shape and r.time_us_median]
        expected = None if one.row.a_type == "f32" else floats[0].time_us_median / one.microseconds
        assert one.speedup == pytest.approx(expected)


def test_failed_rows_are_never_compared(run: RunFolder) -> None:
    timed = [row for row in run.rows() if row.time_us_median]
    broken = [row.model_copy(update={"status": "incorrect"}) if row.a_type == "f32" else row for row in timed]
    found = timings(broken)
    assert {one.row.a_type for one in found} == {"bf16", "s8"}
    assert all(one.speedup is None for one in found)
    assert mean_speedup(found) is None


def test_the_fastest_kernel_of_a_series_counts(run: RunFolder) -> None:
    row = next(row for row in run.rows() if row.a_type == "s8" and row.time_us_median)
    faster = row.model_copy(update={"kernel_id": "other", "time_us_median": row.time_us_median / 2})
    (one,) = timings([row, faster])
    assert one.row.kernel_id == "other"


def test_the_table_has_a_unit_and_a_cell_for_every_timing(run: RunFolder) -> None:
    found = timings(run.rows())
    table = speed_table(found)
    assert len(table.rows) == len(found) == 18
    times = {column.title: column.unit for column in table.columns}
    assert (times["time"], times["rate"], times["gain over fp32"]) == ("µs", "Gop/s", "×")
    assert table.records()[0]["time (µs)"] == pytest.approx(found[0].microseconds)


def test_constant_columns_that_may_go_are_dropped(run: RunFolder) -> None:
    table = speed_table(timings(run.rows())).without_constant()
    titles = [column.title for column in table.columns]
    assert "suite" not in titles
    assert "device" not in titles
    assert "provider" in titles


def test_int8_gains_are_sorted_from_the_slowest(run: RunFolder) -> None:
    found = timings(run.rows())
    gains = [one.speedup for one in int8_speedups(found, found[0].row.device)]
    assert len(gains) == 6
    assert gains == sorted(gains)


def test_how_rows_were_timed_is_said(run: RunFolder) -> None:
    rows = [row.model_copy(update={"stopped_by": "noise"}) for row in timed_ok(run.rows())]
    assert speed_table(timings(rows)).note.endswith("Timed by wall clock.")
    rows[0] = rows[0].model_copy(update={"stopped_by": "seconds", "pct_noise": 4.2})
    rows[1] = rows[1].model_copy(update={"timed_by": "nvbench 0.3.0", "time_us_batched": 1.5})
    table = speed_table(timings(rows))
    assert "Timed by nvbench 0.3.0 and wall clock." in table.note
    assert f"In 1 of {len(rows)} rows a limit ended sampling first, at 4.2 % standard error" in table.note
    assert {"timed by", "back to back"} <= {column.title for column in table.without_constant().columns}


def test_one_timer_and_no_batches_need_no_column(run: RunFolder) -> None:
    titles = {column.title for column in speed_table(timings(run.rows())).without_constant().columns}
    assert not {"timed by", "back to back"} & titles


def test_a_batch_is_a_shape_of_its_own(run: RunFolder) -> None:
    rows = [row for row in run.rows() if row.time_us_median]
    batched = [row.model_copy(update={"batch": 12, "time_us_median": 7.0}) for row in rows if row.a_type == "s8"]
    found = timings([*rows, *batched])
    assert all(one.speedup is None for one in found if one.row.batch == 12)
    assert len(found) == len(timings(rows)) + len(timings(batched))
    assert shape_text(timings(batched)[0].shape).startswith("12×")
