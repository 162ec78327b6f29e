"""Rows that time a packing stand beside the product they pack for and enter no rate, gain, total or ranking."""

from __future__ import annotations

import pytest

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report import verify_run
from immabench.report.document import gather
from immabench.report.plots import write_plots
from immabench.report.speed import speed_table, timings
from immabench.report.summary import render_summary

ASKED = {"a_type": "s8", "b_type": "s8", "b_group": 0, "b_scale": "none"}
W4A16 = {"a_type": "bf16", "b_type": "s4", "b_group": 32, "b_scale": "float", "asked": ASKED, "provider": "torch"}
PACKING = {**W4A16, "kernel_id": "torch_int4_pack", "step": "pack", "backend": "torch-cpu:pack"}
NO_RATE = {"tops": None, "gbps": None, "pct_roof": None}


def product_of(row: Row, **changes: object) -> Row:
    """A W4A16 product of the case of an int8 row."""
    renamed = row.row_id.replace(row.kernel_id, "torch_int4")
    return row.model_copy(update={**W4A16, "kernel_id": "torch_int4", "row_id": renamed, **changes})


def packing_of(row: Row, **changes: object) -> Row:
    """Packing for that product, a thousand times as fast as anything else in the run."""
    renamed = row.row_id.replace(row.kernel_id, "torch_int4_pack")
    return row.model_copy(update={**PACKING, **NO_RATE, "row_id": renamed, "time_us_median": 0.001, **changes})


@pytest.fixture
def rows(run: RunFolder) -> list[Row]:
    """The rows of the run, with a W4A16 product for every int8 one."""
    own = run.rows()
    return own + [product_of(row) for row in own if row.a_type == "s8" and row.time_us_median]


@pytest.fixture
def with_packing(rows: list[Row]) -> list[Row]:
    return rows + [packing_of(row) for row in rows if row.kernel_id == "torch_int8"]


def test_only_the_table_of_times_changes(rows: list[Row], with_packing: list[Row], run: RunFolder) -> None:
    without, having = gather(rows, run.meta), gather(with_packing, run.meta)
    assert having.rooflines == without.rooflines
    assert having.totals == without.totals
    assert having.verdict[:-1] == without.verdict[:-1]  # the last counts rows
    shown = [(one.row, one.speedup) for gains in having.gains.values() for one in gains]
    assert shown == [(one.row, one.speedup) for gains in without.gains.values() for one in gains]
    for name, table in without.tables.items():
        if name != "speed":
            assert having.tables[name].rows == table.rows


def test_packing_stands_beside_its_product_and_no_other(with_packing: list[Row]) -> None:
    found = timings(with_packing)
    assert all((one.packing is not None) == (one.row.kernel_id == "torch_int4") for one in found)
    assert all(one.packing.case == one.row.case for one in found if one.packing)
    records = speed_table(found).records()
    packing = {record["provider"]: record["packing, once (µs)"] for record in records}
    assert packing["torch W4A16"] == 0.001
    assert packing["torch int8"] == float("-inf")


def test_a_failed_packing_is_not_shown(rows: list[Row]) -> None:
    row = next(row for row in rows if row.kernel_id == "torch_int8")
    found = timings([*rows, packing_of(row, status="incorrect")])
    assert not any(one.packing for one in found)
    assert "packing, once" not in [column.title for column in speed_table(found).columns]


def test_the_column_is_there_for_a_single_row_too(rows: list[Row], run: RunFolder) -> None:
    row = next(row for row in rows if row.kernel_id == "torch_int8")
    document = gather([product_of(row), packing_of(row)], run.meta)
    assert "packing, once" in [column.title for column in document.tables["speed"].columns]
    assert "packing, once (µs)" in render_summary(document, [])


def test_a_run_of_packing_alone_is_reported(rows: list[Row], run: RunFolder) -> None:
    row = next(row for row in rows if row.kernel_id == "torch_int8")
    document = gather([packing_of(row)], {**run.meta, "ceilings": None})
    assert "**Nothing but the packing of weights was timed**" in document.verdict[1]
    assert write_plots(document, run.path / "plots") == []


def test_no_rate_is_recomputed_for_it(rows: list[Row], run: RunFolder) -> None:
    row = next(row for row in rows if row.kernel_id == "torch_int8")
    product = product_of(row)
    checked, drifts = verify_run(run.path)
    run.append(
        packing_of(row, flops_per_byte=product.problem.operations_per_byte, time_us_iqr=0.0, samples=3, pct_noise=0.0)
    )
    run.write_samples(packing_of(row).row_id, [0.001, 0.001, 0.001])
    assert verify_run(run.path) == (
        checked + 10,
        drifts,
    )  # three rates it has not among them


def test_mixed_types_are_a_series_of_their_own(rows: list[Row]) -> None:
    labels = {one.series.label for one in timings(rows)}
    assert labels == {"torch fp32", "torch bf16", "torch int8", "torch W4A16"}
