"""Where the figures of a machine come from."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import NothingSelectedError
from immabench.hardware import GPUS, Gpu
from immabench.predict import Machine, gpu_named, machine_of, machine_of_device, present_machine
from immabench.predict.machine import UNITS

KINDS = {"measured", "driver", "compiled", "data sheet", "published", "assumed"}


def kind(machine: Machine, name: str) -> str:
    return {figure.name: figure.kind for figure in machine.figures}[name]


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_every_gpu_of_the_table_has_every_figure_with_a_source(gpu: Gpu) -> None:
    machine = machine_of(gpu)
    assert [figure.name for figure in machine.figures] == list(UNITS)
    for figure in machine.figures:
        assert figure.kind in KINDS
        assert figure.source
        assert figure.value > 0 or (figure.name == "wgmma_macs" and gpu.architecture != "sm_90")


def test_on_hopper_mma_sync_is_slower_than_wgmma_and_elsewhere_the_peak() -> None:
    hopper, ampere = machine_of(gpu_named("H200")), machine_of(gpu_named("A100-SXM4-80GB"))
    assert (hopper.wgmma_macs, hopper.mma_sync_macs) == (4096, pytest.approx(0.63 * 4096))
    assert (ampere.wgmma_macs, ampere.mma_sync_macs) == (0, 2048)


@pytest.mark.parametrize(("gpu", "share"), [("A100-SXM4-80GB", 0.5), ("H200", 0.5), ("GeForce RTX 3090", 0.25)])
def test_geforce_halves_the_rate_of_floats_with_fp32_sums(gpu: str, share: float) -> None:
    assert machine_of(gpu_named(gpu)).float16_share == pytest.approx(share, rel=1e-3)


def test_units_of_time_and_bandwidth() -> None:
    machine = machine_of(gpu_named("H200"))
    assert machine.time_us(1830) == pytest.approx(1)
    assert machine.dram_bytes * machine.clock_mhz * 1e6 == pytest.approx(machine.dram_gbps * 1e9)


def test_an_unknown_gpu_names_the_nearest() -> None:
    assert gpu_named("NVIDIA H200").name == "H200"
    with pytest.raises(NothingSelectedError, match="no GPU matches 'H20'; nearest: H200"):
        gpu_named("H20")


def test_the_driver_says_how_many_multiprocessors_there_are() -> None:
    device = {"name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 60, "sm_clock_mhz": 1980}
    machine = machine_of_device(device)
    assert (machine.name, machine.sm_count, machine.clock_mhz) == ("H200", 60, 1830)
    assert (kind(machine, "sm_count"), kind(machine, "clock_mhz")) == ("driver", "data sheet")


def test_a_gpu_the_table_lacks_takes_the_nearest_of_its_architecture() -> None:
    device = {"name": "NVIDIA L40", "compute_capability": [8, 9], "sm_count": 140, "sm_clock_mhz": 2490}
    machine = machine_of_device(device)
    assert (machine.name, machine.architecture, machine.sm_count, machine.clock_mhz) == (
        "NVIDIA L40",
        "sm_89",
        140,
        2490,
    )
    sources = {figure.name: (figure.kind, figure.source) for figure in machine.figures}
    assert sources["dram_gbps"] == ("assumed", "a L40S's: the table has no NVIDIA L40")
    assert sources["clock_mhz"] == ("driver", "CUDA runtime")


def test_without_a_gpu_an_h200_stands_for_one(fake_native: Any) -> None:
    assert present_machine() == machine_of(gpu_named("H200"))
    fake_native.devices = [{"name": "NVIDIA L4", "compute_capability": [8, 9], "sm_count": 58, "sm_clock_mhz": 2040}]
    assert present_machine().name == "L4"
