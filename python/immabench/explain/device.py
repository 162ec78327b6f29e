"""Causes of lost time in the device: its launches, its clock, and instructions it does not have."""

from __future__ import annotations

from typing import Any

from immabench.errors import ImmabenchError
from immabench.explain.case import Case
from immabench.explain.cause import Cause, Evidence

LAUNCH_SHARE = 0.2
"""Of the time, from which on the launch itself is a cause."""
UNSTEADY_SPREAD = 0.2
"""Interquartile range over median from which on a row is unsteady."""
LIMITS = ("samples", "seconds")
"""What ended sampling of a row before its noise was low enough."""
CLOCK_MARGIN = 0.03
"""How far a clock may be below that of the peak: it moves by steps of 15 MHz, and between measurements."""


def launch_bound(case: Case) -> Cause | None:
    """The launch itself is a good part of the time."""
    if case.machine is None or case.machine.launch_us < LAUNCH_SHARE * case.time_us:
        return None
    kind, source = case.machine.sources["launch_us"]
    evidence = [
        Evidence(
            "measured" if kind == "measured" else "published",
            f"a launch takes {case.machine.launch_us:g} us ({source}), the roof of this problem "
            f"{case.roof.floor_us(case.problem):.3g} us",
        )
    ]
    batched = case.row.time_us_batched
    if batched is not None:
        evidence.append(Evidence("measured", f"queued back to back a launch takes {batched:.3g} us"))
    advice = "try a CUDA graph, fewer and larger launches, or fusing this product with its neighbours"
    return Cause("launch bound", case.share(case.machine.launch_us), tuple(evidence), advice)


def throttled(case: Case) -> Cause | None:
    """The clock was below that of the peak, or samples were thrown away because the GPU was held back."""
    row, full = case.row, case.roof.clock_mhz
    slow = row.sm_clock_mhz is not None and full is not None and row.sm_clock_mhz < (1 - CLOCK_MARGIN) * full
    if case.kind != "measured" or not (slow or row.discarded):
        return None
    evidence, lost = [], None
    if slow and row.sm_clock_mhz and full:
        power = f", drawing {row.power_w:.0f} W at {row.temperature_c:.0f} °C" if _has_telemetry(case) else ""
        at_clock = case.roof.at_clock(row.sm_clock_mhz).floor_us(case.problem)
        evidence.append(
            Evidence(
                "measured",
                f"the SMs ran at {row.sm_clock_mhz:,.0f} MHz, the peak was measured at {full:,.0f}{power}; at that "
                f"clock the efficiency is {at_clock / case.time_us:.0%}",
            )
        )
        lost = case.share(at_clock - case.roof.floor_us(case.problem))
    if row.discarded:
        taken = row.samples + row.discarded
        evidence.append(Evidence("measured", f"{row.discarded} of {taken} samples were discarded as throttled"))
    advice = "measure again when the GPU is cool and alone, and compare at the same clock"
    return Cause("throttled", lost, tuple(evidence), advice, decisive=True)


def _has_telemetry(case: Case) -> bool:
    return case.row.power_w is not None and case.row.temperature_c is not None


def unsteady(case: Case) -> Cause | None:
    """The times of one row differ so much that their median says little."""
    spread = (case.row.time_us_iqr or 0.0) / case.time_us
    if case.kind != "measured" or spread < UNSTEADY_SPREAD:
        return None
    limit = f"; a limit of {case.row.stopped_by} ended sampling" if case.row.stopped_by in LIMITS else ""
    text = f"the middle half of its {case.row.samples} times spreads by {spread:.0%} of the median{limit}"
    advice = "measure again on a machine that does nothing else"
    return Cause("unsteady times", None, (Evidence("measured", text),), advice, decisive=True)


def emulated_int4(case: Case) -> Cause | None:
    """4-bit operands on an architecture whose compiler makes a routine of 8-bit instructions of them."""
    if (case.problem.a_type, case.problem.b_type) != ("s4", "s4") or case.machine is None:
        return None
    routine = _routine(case)
    if routine is None:
        return None
    rate, native = (_rate(case, types) for types in ("s4", "s8"))
    evidence, lost = [routine], None
    if rate and native:
        evidence.append(
            Evidence("measured", f"it reaches {rate:.3g}e12 operations/s, s8 {native:.3g}e12 on the same machine")
        )
        lost = case.share((1 - rate / native) * case.time_us)
    advice = "try W4A8: weights stay packed in 4 bits, and are widened in registers for s8 instructions"
    return Cause("emulated INT4", lost, tuple(evidence), advice, decisive=True)


def _routine(case: Case) -> Evidence | None:
    """What says that s4 is no instruction there: what the run measured, else machine code of this installation."""
    assert case.machine is not None
    entries = [entry for entry in case.ceilings.get("instructions") or [] if entry["operand_type"] == "s4"]
    for entry in entries or _compiled(case.machine.architecture):
        if entry["status"] == "emulated":
            why = entry.get("reason") or entry.get("detail") or "a routine of other instructions"
            return Evidence("measured" if entries else "compiled", f"{entry['name']} is no instruction there: {why}")
    return None


def _compiled(architecture: str) -> list[dict[str, Any]]:
    from immabench.profile.caps import capabilities

    try:
        known = capabilities(architecture)["instructions"]
    except ImmabenchError:
        return []
    return [entry for entry in known if entry["name"].startswith("mma") and entry["name"].endswith("s4")]


def _rate(case: Case, operand_type: str) -> float | None:
    rates = [
        float(entry["rate"])
        for entry in case.ceilings.get("instructions") or []
        if entry["operand_type"] == operand_type and entry["rate"]
    ]
    return max(rates, default=None)


def slower_instruction(case: Case) -> Cause | None:
    """mma.sync where wgmma would multiply at the peak."""
    work, machine = case.work, case.machine
    if work is None or machine is None or work.config.by_wgmma or machine.wgmma_macs <= machine.mma_sync_macs:
        return None
    multiplying, reached = case.term_us("tensor cores"), machine.mma_sync_macs / machine.wgmma_macs
    evidence = Evidence(
        "predicted", f"mma.sync reaches {reached:.0%} of wgmma's rate there: {multiplying:.3g} us of multiplying"
    )
    lost = case.share((1 - reached) * multiplying) if work.machine.mma_sync_macs else None
    return Cause("mma.sync below the peak", lost, (evidence,), case.better("try a kernel by wgmma"))


def spills(case: Case) -> Cause | None:
    """Registers that the compiler keeps in memory."""
    if not case.facts or not case.facts["spills"]:
        return None
    text = (
        f"{case.facts['spills']} instructions store registers to local memory ({case.facts['registers']} a thread, "
        f"{case.facts['arch']})"
    )
    advice = "try a smaller tile or fewer stages"
    return Cause("register spills", None, (Evidence("compiled", text),), advice, decisive=True)


def waiting_warps(case: Case) -> Cause | None:
    """What the profiler saw warps wait for most."""
    if case.action is None or case.action.top_stall is None:
        return None
    name, warps = case.action.top_stall
    text = f"{warps:.2f} warps wait for {name.replace('_', ' ')} for each instruction issued"
    return Cause("waiting warps", None, (Evidence("profiled", text),), "look at its profile")
