"""The machine of a run: measured figures over the data sheet's, and only its own."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import NothingSelectedError
from immabench.measure.measured_machine import machine_of_run, with_ceilings
from immabench.predict import gpu_named, machine_of

GPU = {"name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}
L4 = {"name": "NVIDIA L4", "compute_capability": [8, 9], "sm_count": 58, "sm_clock_mhz": 2040}


def instruction(name: str, per_clock: float, clock_mhz: float, status: str = "native") -> dict[str, Any]:
    rate = per_clock * clock_mhz * 132 / 1e6
    return {"name": name, "status": status, "rate": rate, "per_clock_per_core": per_clock, "clock_mhz": clock_mhz}


CEILINGS = {
    "device_name": "NVIDIA H200",
    "read_gbps": 4000.0,
    "copy_gbps": 3500.0,
    "cache_read_gbps": 8000.0,
    "instructions": [
        instruction("mma.m16n8k32.s8", 5000.0, 1700.0),
        instruction("wgmma.m64n256k32.s8", 8000.0, 1600.0),
        instruction("wgmma.m64n256k32.s8, A in registers", 8100.0, 1500.0),
    ],
}


def meta(**changes: Any) -> dict[str, Any]:
    return {"run_id": "r1", "machine": {"gpus": [GPU, L4]}, "ceilings": {"cuda": CEILINGS}, **changes}


def test_measured_beats_the_data_sheet() -> None:
    machine = machine_of_run(meta())
    # Operations are two a multiply-accumulate; L2's 8e12 bytes/s at 1600 MHz are 5000 a clock.
    assert (machine.mma_sync_macs, machine.wgmma_macs, machine.clock_mhz) == (2500, 4000, 1600)
    assert (machine.dram_gbps, machine.l2_bytes) == (4000, pytest.approx(5000))
    kinds = {figure.name: (figure.kind, figure.source) for figure in machine.figures}
    assert kinds["wgmma_macs"] == ("measured", "ceilings of run r1")
    assert kinds["shared_bytes"][0] == "data sheet"


def test_what_was_not_measured_keeps_its_source() -> None:
    bare = machine_of(gpu_named("H200"))
    routine = [instruction("mma.m16n8k32.s8", 10.0, 1000.0, "emulated")]
    found = with_ceilings(bare, {"copy_gbps": 3500.0, "instructions": routine}, "here")
    assert (found.dram_gbps, found.mma_sync_macs, found.clock_mhz) == (3500, bare.mma_sync_macs, bare.clock_mhz)
    assert machine_of_run(meta(ceilings=None)) == bare


def test_ceilings_are_of_one_gpu_only() -> None:
    assert machine_of_run(meta(), "NVIDIA L4") == machine_of(gpu_named("L4"))


def test_a_run_without_that_gpu_is_named() -> None:
    with pytest.raises(NothingSelectedError, match="run r1 was on no NVIDIA A10; name a run on a GPU"):
        machine_of_run(meta(), "NVIDIA A10")
    with pytest.raises(NothingSelectedError, match="run r1 was on no GPU"):
        machine_of_run(meta(machine={"gpus": []}))
