"""Emulated counts against the counters of a GPU, for the same kernel on the same problem.

The machine counts what a kernel asks for, request by request (docs/methodology.md). Where hardware has a counter of the
same, both should be equal but for what `reason` says. Barriers of a block have no counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from immabench.row_ids import launch_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.measure.run_folder import RunFolder
    from immabench.profile.actions import Action

TOLERANCE = 0.02
"""How far a counter may be from the count, as a share of it, to be called the same."""

WARPS_OF_WARPGROUP = 4


@dataclass(frozen=True)
class Count:
    """A count of the machine, as terms (operation, unit) with factors, beside the metrics that count the same."""

    name: str
    terms: tuple[tuple[str, str, int], ...]
    metrics: tuple[str, ...]
    reason: str

    def emulated(self, counts: Mapping[str, Any]) -> int:
        """Of the counts of a row."""
        return sum(factor * _term(counts, operation, unit) for operation, unit, factor in self.terms)

    def measured(self, metrics: Mapping[str, float]) -> float | None:
        """Of the metrics of an action; None where it holds none of them."""
        found = [metrics[name] for name in self.metrics if name in metrics]
        return sum(found) if found else None


def _term(counts: Mapping[str, Any], operation: str, unit: str) -> int:
    value = counts.get(operation, 0)
    return int(value.get(unit, 0) if isinstance(value, Mapping) else value)


def _one(name: str, operation: str, unit: str, metric: str, reason: str) -> Count:
    return Count(name, ((operation, unit, 1),), (metric,), reason)


_EXACT = "none is expected: both count what each request touches"
_ARRIVAL = "copies are written as they arrive, so that one request may take more wavefronts than its addresses need"

_GLOBAL = ("global_load", "global_store", "global_atomic", "async_copy", "bulk_load", "bulk_store")

COUNTS = (
    Count(
        "tensor instructions",
        (("mma", "", 1), ("wgmma", "", WARPS_OF_WARPGROUP)),
        ("tensor_instructions",),
        "an instruction that the chip has not is several of those it has: s4 and b1 on sm_90, shapes it splits",
    ),
    _one("global load sectors", "global_load", "sectors", "global_load_sectors", _EXACT),
    _one("global store sectors", "global_store", "sectors", "global_store_sectors", _EXACT),
    Count(
        "global atomic sectors",
        (("global_atomic", "sectors", 1),),
        ("global_atomic_sectors", "global_reduction_sectors"),
        "lanes at one address are served together; what a release waits for may ask again",
    ),
    _one("async copy sectors", "async_copy", "sectors", "async_copy_sectors", _EXACT),
    _one("bulk load sectors", "bulk_load", "sectors", "bulk_load_sectors", "the machine counts a multicast once"),
    _one("bulk store sectors", "bulk_store", "sectors", "bulk_store_sectors", _EXACT),
    _one("shared load wavefronts", "shared_load", "wavefronts", "shared_load_wavefronts", _EXACT),
    _one("shared store wavefronts", "shared_store", "wavefronts", "shared_store_wavefronts", _EXACT),
    _one("ldmatrix wavefronts", "ldmatrix", "wavefronts", "ldmatrix_wavefronts", _EXACT),
    _one("async copy wavefronts", "async_copy", "wavefronts", "async_copy_wavefronts", _ARRIVAL),
    _one(
        "wgmma wavefronts",
        "wgmma_operands",
        "wavefronts",
        "wgmma_wavefronts",
        "the matrix unit may keep operands that the machine reads for each instruction",
    ),
    Count(
        "L2 sectors",
        tuple((operation, "sectors", 1) for operation in _GLOBAL),
        ("l2_read_sectors", "l2_write_sectors"),
        "fewer: loads that hit L1 never come to L2; more: L1 fetches ahead, and spilled registers pass",
    ),
)


@dataclass(frozen=True)
class Agreement:
    """One count of one row: what the machine counted, what a GPU did. `reason` says which differences are expected."""

    row_id: str
    device: str
    count: str
    emulated: int
    measured: float
    reason: str

    @property
    def ratio(self) -> float | None:
        """Measured / emulated, None where the machine counted nothing."""
        return self.measured / self.emulated if self.emulated else None

    @property
    def within(self) -> bool:
        """Whether both are the same within `TOLERANCE`."""
        return abs(self.measured - self.emulated) <= TOLERANCE * self.emulated


def agreement(rows: Iterable[Row], actions: Iterable[Action]) -> list[Agreement]:
    """Every count of every action whose kernel and problem were emulated without fault in `rows`, each once a row.

    What is nothing on both sides is left out.
    """
    emulated = {
        launch_of(row.row_id): row.counts for row in rows if row.device_kind == "emulated" and row.status == "ok"
    }
    found: dict[tuple[str, str], Agreement] = {}
    for action in actions:
        for one in _of_action(action, emulated.get(launch_of(action.row_id)) or {}):
            found.setdefault((one.row_id, one.count), one)
    return list(found.values())


def _of_action(action: Action, counts: Mapping[str, Any]) -> Iterator[Agreement]:
    for count in COUNTS if counts else ():
        emulated, measured = count.emulated(counts), count.measured(action.metrics)
        if measured is not None and (emulated or measured):
            yield Agreement(action.row_id, action.device, count.name, emulated, measured, count.reason)


def emulate_missing(folder: RunFolder, actions: Sequence[Action], budget_gmac: float) -> list[Row]:
    """Emulate what was profiled of our own kernels and is not emulated in the run; the rows are appended to it.

    Leaves out problems of more than `budget_gmac` (1e9 multiply-accumulates).
    """
    from immabench.measure.case import run_job
    from immabench.profile.selection import jobs_of

    rows = folder.rows(lines=False)
    known = {launch_of(row.row_id) for row in rows if row.device_kind == "emulated"}
    wanted = {action.row_id for action in actions} - {row.row_id for row in rows if launch_of(row.row_id) in known}
    profiled = {row.row_id: row for row in rows if row.row_id in wanted and row.provider == "handwritten"}
    jobs = [job for job in jobs_of(profiled.values()) if job.problem.macs <= budget_gmac * 1e9]
    fresh = [run_job(replace(job, device_kind="emulated")).row for job in jobs]
    for row in fresh:
        folder.append(row)
    return fresh
