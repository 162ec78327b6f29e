"""The efficiency of a row: what its roof would take over what it took.

    efficiency = max(operations / peak, bytes / bandwidth) / time

Operations are 2 M N K, bytes the compulsory traffic, peak and bandwidth those of the roof (`measure/roof.py`): measured
on the row's own machine, or those of the model's machine where the time is a predicted one. Williams, Waterman,
Patterson: Roofline, CACM 52(4), 2009. `at_clock` puts the peak at the clock the row ran at, so that a GPU that was held
back is not blamed on a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from immabench.measure.roof import Limit, memory_limit, peak
from immabench.predict import Machine
from immabench.problems import TYPE_BITS, Problem

FORMULA = "efficiency = max(2·M·N·K / peak, compulsory bytes / bandwidth) / time"


@dataclass(frozen=True)
class Roof:
    """Peak in 1e12 operations/s and bandwidth in 1e9 bytes/s, each with what reached it; `clock_mhz` of the peak."""

    peak: Limit
    memory: Limit
    clock_mhz: float | None = None

    def compute_us(self, problem: Problem) -> float:
        """What the operations of `problem` take at the peak."""
        return problem.operations / self.peak.rate / 1e6

    def memory_us(self, problem: Problem) -> float:
        """What its compulsory bytes take at the bandwidth."""
        return problem.bytes_moved / self.memory.rate / 1e3

    def floor_us(self, problem: Problem) -> float:
        """The larger of the two: nothing runs faster."""
        return max(self.compute_us(problem), self.memory_us(problem))

    @property
    def ridge(self) -> float:
        """Operations a byte from which on the peak, and not the memory, is the roof."""
        return self.peak.rate * 1e3 / self.memory.rate

    def at_clock(self, clock_mhz: float | None) -> Roof:
        """This roof with its peak at another clock; as it is where either clock is unknown."""
        if not clock_mhz or not self.clock_mhz:
            return self
        scaled = Limit(self.peak.rate * clock_mhz / self.clock_mhz, self.peak.source)
        return replace(self, peak=scaled, clock_mhz=clock_mhz)


def measured_roof(ceilings: Mapping[str, Any], problem: Problem) -> Roof | None:
    """The roof of a device from the ceilings a run measured of it; None where peak or bandwidth are missing."""
    top, memory = peak(dict(ceilings), problem.a_type), memory_limit(dict(ceilings))
    if top is None or memory is None:
        return None
    clocks = {entry["name"]: entry.get("clock_mhz") for entry in ceilings.get("instructions") or []}
    return Roof(top, memory, clocks.get(top.source))


def predicted_roof(machine: Machine, problem: Problem) -> Roof:
    """The roof that the figures of a machine make: its fastest instruction on these operands, and its DRAM."""
    macs = max(machine.mma_sync_macs, machine.wgmma_macs)
    share = 8 / TYPE_BITS[problem.a_type] if problem.is_integer else machine.float16_share
    rate = 2 * macs * share * machine.sm_count * machine.clock_mhz / 1e6
    return Roof(Limit(rate, machine.name), Limit(machine.dram_gbps, f"DRAM of {machine.name}"), machine.clock_mhz)
