"""Emulated counts against counters: what is compared with what, and what counts as the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import KERNEL, PROBLEM, job, timed, write_run

from immabench.measure.rows import Row
from immabench.profile.actions import Action
from immabench.profile.agreement import COUNTS, TOLERANCE, Agreement, agreement, emulate_missing

COUNTS_OF_ROW: dict[str, Any] = {
    "mma": 100,
    "wgmma": 10,
    "barriers": 7,
    "global_load": {"requests": 1, "sectors": 64, "ideal": 64},
    "global_store": {"requests": 1, "sectors": 32, "ideal": 32},
    "global_atomic": {"requests": 1, "sectors": 8, "ideal": 8},
    "async_copy": {"requests": 1, "sectors": 1000, "ideal": 1000, "wavefronts": 250, "ideal_wavefronts": 250},
    "bulk_load": {"requests": 0, "sectors": 0, "ideal": 0},
    "bulk_store": {"requests": 0, "sectors": 0, "ideal": 0},
    "ldmatrix": {"requests": 1, "wavefronts": 400, "ideal": 400},
    "wgmma_operands": {"requests": 1, "wavefronts": 40, "ideal": 40},
}
SAME = {
    "tensor_instructions": 140.0,  # a warpgroup's instruction is one of each of its four warps
    "global_load_sectors": 64.0,
    "global_store_sectors": 32.0,
    "global_atomic_sectors": 3.0,
    "global_reduction_sectors": 5.0,
    "async_copy_sectors": 1000.0,
    "async_copy_wavefronts": 250.0,
    "bulk_load_sectors": 0.0,
    "ldmatrix_wavefronts": 400.0,
    "wgmma_wavefronts": 40.0,
    "l2_read_sectors": 1064.0,
    "l2_write_sectors": 40.0,
}


def emulated(**values: Any) -> Row:
    row = job(device="emulated").row("ok", counts=COUNTS_OF_ROW, hazards=0)
    return row.model_copy(update=values)


def action(row_id: str = job().row_id, **metrics: float) -> Action:
    return Action(row_id=row_id, kernel_id=KERNEL, report="r", function="f", device="GPU", metrics=metrics)


def by_count(found: list[Agreement]) -> dict[str, Agreement]:
    return {one.count: one for one in found}


def test_counters_that_say_the_same_agree() -> None:
    found = agreement([emulated(), timed(job(), 1.0)], [action(**SAME)])
    assert [one.count for one in found if not one.within] == []
    counts = by_count(found)
    assert (counts["tensor instructions"].emulated, counts["tensor instructions"].ratio) == (140, 1.0)
    assert (counts["global atomic sectors"].emulated, counts["global atomic sectors"].measured) == (8, 8.0)
    assert counts["L2 sectors"].emulated == 64 + 32 + 8 + 1000
    assert "bulk load sectors" not in counts  # nothing on both sides
    assert "shared load wavefronts" not in counts  # not collected
    assert {one.row_id for one in found} == {job().row_id}
    assert all(one.reason for one in found)


@pytest.mark.parametrize(("measured", "within"), [(1020.0, True), (980.0, True), (1020.1, False), (979.9, False)])
def test_the_tolerance_is_two_percent_of_the_emulated_count(measured: float, within: bool) -> None:
    assert TOLERANCE == 0.02
    (one,) = agreement([emulated()], [action(async_copy_sectors=measured)])
    assert one.within == within


def test_what_only_hardware_counts_does_not_agree() -> None:
    (one,) = agreement([emulated()], [action(bulk_store_sectors=3.0)])
    assert (one.emulated, one.ratio, one.within) == (0, None, False)


@pytest.mark.parametrize(
    ("row", "row_id"),
    [
        (emulated(status="incorrect"), job().row_id),
        (emulated(counts=None), job().row_id),
        (emulated(), job("imma_other").row_id),
        (emulated(), replace(job(), problem=replace(PROBLEM, m=65)).row_id),
        (emulated(), ""),
    ],
)
def test_another_kernel_problem_or_a_faulty_row_is_not_compared(row: Row, row_id: str) -> None:
    assert agreement([row], [action(row_id, **SAME)]) == []


def test_each_count_of_a_row_is_compared_once() -> None:
    first, second = action(tensor_instructions=140.0), action(tensor_instructions=1.0, ldmatrix_wavefronts=400.0)
    found = by_count(agreement([emulated()], [first, second]))
    assert found["tensor instructions"].measured == 140.0
    assert set(found) == {"tensor instructions", "ldmatrix wavefronts"}


def test_names_of_counts_are_those_of_the_machine() -> None:
    from immabench.kernels import native

    assert len({count.name for count in COUNTS}) == len(COUNTS)
    kernel = native().kernels()[0]["id"]
    row = run(kernel)
    for operation, unit, _ in {term for count in COUNTS for term in count.terms}:
        assert row.counts
        assert operation in row.counts
        assert not unit or unit in row.counts[operation]


def run(kernel: str) -> Row:
    from immabench.measure.case import run_job

    return run_job(job(kernel, device="emulated")).row


def test_what_was_profiled_is_emulated_on_demand(tmp_path: Path, fake_native: Any) -> None:
    kernel = fake_native.kernels()[0]["id"]
    own, library = timed(job(kernel), 1.0), timed(job("torch_int8", "torch"), 1.0)
    folder = write_run(tmp_path / "run", [own, library])
    actions = [action(own.row_id), action(library.row_id), action("")]
    assert emulate_missing(folder, actions, budget_gmac=1e-9) == []
    (fresh,) = emulate_missing(folder, actions, budget_gmac=0.5)
    assert (fresh.kernel_id, fresh.device_kind, fresh.status) == (kernel, "emulated", "ok")
    assert [row.device_kind for row in folder.rows()] == ["cuda", "cuda", "emulated"]
    assert emulate_missing(folder, actions, budget_gmac=0.5) == []  # it is there now
    assert agreement(folder.rows(), [action(own.row_id, tensor_instructions=8.0)])[0].within
