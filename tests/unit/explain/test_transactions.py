"""Who is believed about transactions, what is said of them, and where the worst source line comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from counted_cases import counted, emulated, profiled
from explained_rows import CEILINGS, DEVICE, make_row

from immabench.explain import EmulatedRows, explain_rows
from immabench.explain.case import Case
from immabench.explain.transactions import bank_conflicts, uncoalesced
from immabench.measure.rows import Row
from immabench.problems import Problem

IMMA = "imma_s8s8s32_128x128x64_w2x4_s3_sm80"
PROBLEM = Problem(4096, 4096, 4096, output_type="f16", row_scale="vector", col_scale="vector")
LINE = {
    "file": "kernels/parts/epilogue.cuh",
    "line": 236,
    "operation": "global_store",
    "requests": 1,
    "bytes": 32,
    "units": 3_000_000,
    "ideal": 1_000_000,
    "unit": "sectors",
}
STORES: dict[str, Any] = {"global_store": {"sectors": 3_000_000, "ideal": 1_000_000}, "lines": [LINE]}


@pytest.fixture
def case(planted: Callable[..., Case]) -> Case:
    made: Case = planted(PROBLEM, IMMA)
    return made


def test_emulated_counts_name_the_operation_and_the_source_line(case: Case) -> None:
    found = uncoalesced(emulated(case, STORES))
    assert found is not None
    assert found.evidence[0].text == (
        "3.00 sectors where their bytes would fill 1 (3,000,000 in all), most by global store (3.00), at "
        "parts/epilogue.cuh:236"
    )
    assert found.evidence[1].text.startswith("2,000,000 sectors too many take ")
    assert "try neighbouring bytes for neighbouring lanes" in found.advice


def test_a_profile_is_believed_before_the_emulated_machine(case: Case) -> None:
    sound = counted(emulated(case, STORES), 1000, 1000, by_profile=True)
    assert uncoalesced(sound) is None
    wasteful = counted(emulated(case, STORES), 2000, 1000, by_profile=True)
    found = uncoalesced(wasteful)
    assert found is not None
    assert [one.kind for one in found.evidence] == ["profiled", "emulated", "predicted"]
    assert found.evidence[0].text.startswith("2.00 sectors")
    assert found.evidence[1].text.endswith("parts/epilogue.cuh:236")
    assert found.evidence[2].text.startswith("1,000 sectors too many")


def test_a_profile_that_did_not_collect_it_leaves_it_to_the_emulated_machine(case: Case) -> None:
    found = uncoalesced(profiled(emulated(case, STORES), dram_throughput=80.0))
    assert found is not None
    assert found.evidence[0].kind == "emulated"


def test_a_profile_names_what_conflicts_most(case: Case) -> None:
    metrics = {"shared_load_wavefronts": 1000, "ldmatrix_wavefronts": 1000, "shared_load_conflicts": 1000}
    stores = {"shared_store_wavefronts": 1000, "shared_store_conflicts": 100}
    found = bank_conflicts(profiled(case, **metrics, **stores))
    assert found is not None
    assert found.evidence[0].text == (
        "1.58 wavefronts where 1 would do (3,000 in all), most by loads and ldmatrix (2.00)"
    )


def test_lanes_that_share_an_address_hide_no_waste_of_other_operations(case: Case) -> None:
    loads = {"global_load_sectors": 1000.0, "global_load_efficiency": 800.0}
    stores = {"global_store_sectors": 1000.0, "global_store_efficiency": 25.0}
    found = uncoalesced(profiled(case, **loads, **stores))
    assert found is not None
    assert "most by stores (4.00)" in found.evidence[0].text


def test_without_the_figures_of_a_gpu_no_share_is_stated(case: Case) -> None:
    found = uncoalesced(replace(emulated(case, STORES), machine=None))
    assert found is not None
    assert (found.lost, len(found.evidence)) == (None, 1)


def rows_of_a_run() -> list[Row]:
    """A slow row of a GPU, one of a CPU, and what the emulated machine counted of the same kernel."""
    times = {"cuda": 200.0, "cpu": 200.0, "emulated": None}
    return [
        make_row(PROBLEM, IMMA, time_us, device_kind=kind, counts=None if time_us else {**STORES, "lines": []})
        for kind, time_us in times.items()
    ]


META = {
    "run_id": "planted",
    "machine": {"gpus": [{"name": DEVICE, "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}]},
    "ceilings": {"cuda": CEILINGS, "cpu": {**CEILINGS, "device": "cpu"}},
}


def test_a_timed_row_meets_its_emulated_one_and_the_lines_are_read_once() -> None:
    rows, read = rows_of_a_run(), []

    def whole(wanted: Iterable[Row]) -> list[Row]:
        read.append([row.row_id for row in wanted])
        return [rows[2].model_copy(update={"counts": STORES})]

    timed, on_cpu = explain_rows(rows[:2], META, emulated=EmulatedRows(rows, whole))
    assert "uncoalesced" in [cause.name for cause in timed.causes]
    assert "at parts/epilogue.cuh:236 [emulated]" in str(timed.sentences())
    assert "uncoalesced" not in [cause.name for cause in on_cpu.causes]
    assert read == [[rows[2].row_id]]


def test_counts_of_a_row_that_failed_are_no_evidence() -> None:
    rows = rows_of_a_run()
    rows[2] = rows[2].model_copy(update={"status": "incorrect"})
    assert "uncoalesced" not in str(explain_rows(rows[:1], META, emulated=EmulatedRows(rows))[0].sentences())
