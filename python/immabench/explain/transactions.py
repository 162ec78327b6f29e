"""Causes of lost time in transactions: more sectors of global, or wavefronts of shared memory than the bytes need.

A profile says it of the row itself; without one, or where its preset did not collect it, the emulated machine says it
of the same kernel on the same problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from immabench.explain.case import Case
from immabench.explain.cause import Cause, Evidence, EvidenceKind
from immabench.explain.emulated import EmulatedCounts
from immabench.measure.transactions import Against, Unit, place_of, total
from immabench.profile.actions import SECTOR_BYTES

WASTE = 1.05
"""Times the ideal from which on it is a cause."""
WAVEFRONT_BYTES = 128
SECTOR_METRICS = {
    "loads": ("global_load_sectors", "global_load_efficiency"),
    "stores": ("global_store_sectors", "global_store_efficiency"),
    "asynchronous copies": ("async_copy_sectors", "async_copy_efficiency"),
}
"""What moves sectors -> metrics: how many, and the percentage of their bytes that was asked for."""
WAVEFRONT_METRICS = {
    "loads and ldmatrix": (("shared_load_wavefronts", "ldmatrix_wavefronts"), "shared_load_conflicts"),
    "stores": (("shared_store_wavefronts",), "shared_store_conflicts"),
}
"""What takes wavefronts -> metrics: how many, and how many of them because of conflicts. Not of asynchronous copies:
they are written as they arrive, so that one may take more wavefronts than its addresses need."""


@dataclass(frozen=True)
class Counted:
    """Transactions of one row by what moves them, beside the ideal ones, and who counted."""

    kind: EvidenceKind
    unit: Unit
    parts: Mapping[str, Against]
    emulated: EmulatedCounts | None = None

    @property
    def is_wasteful(self) -> bool:
        """Whether they are so many that it is a cause."""
        return (self.total.ratio or 0.0) >= WASTE

    @property
    def total(self) -> Against:
        """All of them."""
        return total(self.parts.values())

    @property
    def evidence(self) -> Evidence:
        """How many they are, and where most are wasted: a source line where that is known."""
        name, worst = max(self.parts.items(), key=lambda part: part[1].excess)
        where = f"most by {name.replace('_', ' ')} ({worst.ratio or 0:.2f})"
        line = self.emulated.worst(self.unit) if self.emulated else None
        where += f", at {place_of(line)}" if line else ""
        all_, known = self.total, "1 would do" if self.unit == "wavefronts" else "their bytes would fill 1"
        ratio = all_.ratio or 0.0
        return Evidence(self.kind, f"{ratio:.2f} {self.unit} where {known} ({all_.actual:,.0f} in all), {where}")


def uncoalesced(case: Case) -> Cause | None:
    """Requests to global memory touch more sectors than their bytes fill."""
    found = _known(_profiled_sectors(case), _emulated(case, "sectors"))
    rate = case.machine.l2_bytes / SECTOR_BYTES if case.machine else None
    advice = "try neighbouring bytes for neighbouring lanes, and rows that start on 16 bytes: pad N and K"
    return _cause("uncoalesced", case, found, rate, f"at {SECTOR_BYTES} bytes each from L2", advice)


def bank_conflicts(case: Case) -> Cause | None:
    """Lanes of a request need different words of one bank of shared memory, which come one after another."""
    found = _known(_profiled_wavefronts(case), _emulated(case, "wavefronts"))
    machine = case.machine
    rate = machine.sm_count * machine.shared_bytes / WAVEFRONT_BYTES if machine else None
    advice = "try a swizzle, or rows padded by 16 bytes, so that the lanes of a request meet different banks"
    return _cause("bank conflicts", case, found, rate, "one a clock and multiprocessor", advice)


def _known(*sources: Counted | None) -> list[Counted]:
    """Who counted, the one that decides first; a later one adds what it knows, where it sees waste too."""
    counted = [one for one in sources if one is not None]
    return [one for one in counted if one.is_wasteful] if counted and counted[0].is_wasteful else []


def _cause(name: str, case: Case, found: list[Counted], rate: float | None, how: str, advice: str) -> Cause | None:
    """`rate` transactions a clock are all that the machine moves, in words `how`; None where it is not known."""
    if not found:
        return None
    evidence = tuple(one.evidence for one in found)
    if rate is None or case.machine is None:
        return Cause(name, None, evidence, advice)
    excess = found[0].total.excess
    extra_us = case.machine.time_us(excess / rate)
    cost = Evidence("predicted", f"{excess:,.0f} {found[0].unit} too many take {extra_us:.3g} us, {how}")
    return Cause(name, case.share(extra_us), (*evidence, cost), advice)


def _emulated(case: Case, unit: Unit) -> Counted | None:
    return Counted("emulated", unit, case.emulated.by_operation(unit), case.emulated) if case.emulated else None


def _profiled_sectors(case: Case) -> Counted | None:
    metrics = case.action.metrics if case.action else {}
    parts = {
        name: Against(metrics[sectors], metrics[sectors] * min(1.0, metrics[share] / 100))
        for name, (sectors, share) in SECTOR_METRICS.items()
        if sectors in metrics and share in metrics
    }
    return Counted("profiled", "sectors", parts) if parts else None


def _profiled_wavefronts(case: Case) -> Counted | None:
    metrics = case.action.metrics if case.action else {}
    parts = {}
    for name, (counted, conflicts) in WAVEFRONT_METRICS.items():
        if conflicts in metrics and all(one in metrics for one in counted):
            taken = sum(metrics[one] for one in counted)
            parts[name] = Against(taken, taken - metrics[conflicts])
    return Counted("profiled", "wavefronts", parts) if parts else None
