"""The machine of a run: its GPU with the ceilings that the run measured put over data sheet and driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immabench.errors import NothingSelectedError
from immabench.measure.roof import memory_limit
from immabench.predict import Machine, machine_of_device

INSTRUCTIONS = {"mma_sync_macs": "mma.m16n8k32.s8", "wgmma_macs": "wgmma.m64n256k32.s8"}
"""Figure of a machine -> the measured instruction that gives it."""


def machine_of_run(meta: Mapping[str, Any], device_name: str = "") -> Machine:
    """The machine of a run's `run.json`: the GPU called `device_name`, else its first; with what was measured of it.

    Raises NothingSelectedError for a run that names no such GPU.
    """
    gpus = [gpu for gpu in meta["machine"]["gpus"] if device_name in ("", gpu["name"])]
    if not gpus:
        wanted = device_name or "GPU"
        raise NothingSelectedError(f"run {meta['run_id']} was on no {wanted}", "name a run on a GPU, or give --gpu")
    machine, ceilings = machine_of_device(gpus[0]), (meta.get("ceilings") or {}).get("cuda")
    # Ceilings are those of one GPU; rows of another model of GPU keep its data sheet.
    if ceilings and ceilings["device_name"] == gpus[0]["name"]:
        return with_ceilings(machine, ceilings, f"ceilings of run {meta['run_id']}")
    return machine


def with_ceilings(machine: Machine, ceilings: Mapping[str, Any], source: str) -> Machine:
    """`machine` with what `ceilings` (as `measure_ceilings("cuda")` returns them) measured of it.

    Taken are the rates of the s8 instructions, the clock the fastest of them ran at, and the bandwidth of L2 and DRAM;
    what was not measured stays as it was. `source` is what those figures then name.
    """
    rates = [(float(entry["rate"]), figure, entry) for figure, entry in _instructions(ceilings)]
    measured = {figure: float(entry["per_clock_per_core"]) / 2 for _, figure, entry in rates}
    if rates:
        _, _, fastest = max(rates, key=lambda one: one[0])
        measured["clock_mhz"] = float(fastest["clock_mhz"])
    if memory := memory_limit(dict(ceilings)):
        measured["dram_gbps"] = memory.rate
    if ceilings.get("cache_read_gbps"):
        clock_mhz = measured.get("clock_mhz", machine.clock_mhz)
        measured["l2_bytes"] = float(ceilings["cache_read_gbps"]) * 1e3 / clock_mhz
    return machine.with_figures("measured", source, **measured)


def _instructions(ceilings: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(figure, entry) of each s8 instruction that was measured and is the hardware's own."""
    return [
        (figure, entry)
        for entry in ceilings.get("instructions") or []
        for figure, name in INSTRUCTIONS.items()
        if entry["name"] == name and entry["status"] == "native" and entry["rate"]
    ]
