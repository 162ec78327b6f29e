"""Cases whose transactions the emulated machine, or a profile, counted. Every count is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from explained_rows import CEILINGS, make_row

from immabench.explain.case import Case
from immabench.explain.efficiency import measured_roof
from immabench.explain.emulated import EmulatedRows
from immabench.problems import Problem
from immabench.profile.actions import Action


def counted(case: Case, actual: int, ideal: int, by_profile: bool) -> Case:
    """`case` with so many sectors and so many wavefronts where `ideal` would do."""
    if by_profile:
        return profiled(
            case,
            global_load_sectors=actual,
            global_load_efficiency=100 * ideal / actual,
            shared_store_wavefronts=actual,
            shared_store_conflicts=actual - ideal,
        )
    loads = {"sectors": actual, "ideal": ideal}
    stores = {"wavefronts": actual, "ideal": ideal}
    return emulated(case, {"global_load": loads, "shared_store": stores})


def profiled(case: Case, **metrics: float) -> Case:
    """`case` with a profile that holds these metrics."""
    row = case.row
    action = Action(row_id=row.row_id, kernel_id=row.kernel_id, report="x.ncu-rep", function="x", metrics=metrics)
    return replace(case, action=action)


def case_of(counts: Mapping[str, Any]) -> Case:
    """A row of which nothing is known but these counts of the emulated machine."""
    problem = Problem(64, 64, 64)
    roof = measured_roof(CEILINGS, problem)
    assert roof is not None
    return emulated(Case(make_row(problem, "a kernel", 1.0), problem, 1.0, "measured", roof), counts)


def emulated(case: Case, counts: Mapping[str, Any]) -> Case:
    """`case` beside a row of the emulated machine with these counts."""
    beside = case.row.model_copy(
        update={
            "row_id": case.row.row_id.replace("@cuda", "@emulated"),
            "device_kind": "emulated",
            "time_us_median": None,
            "counts": dict(counts),
        }
    )
    return replace(case, emulated=EmulatedRows([beside]).of(case.row))
