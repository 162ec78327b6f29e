"""This machine, and the table of data sheets."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import MissingHardwareError, UsageError
from immabench.hardware import (
    GPUS,
    Device,
    Gpu,
    _parse_size,
    cpu_info,
    device_of,
    find_gpu,
    last_level_cache_bytes,
    machine_summary,
    physical_peak_tops,
    present_kinds,
)

H200 = {"index": 0, "name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132}


def test_cpu_info_is_plausible() -> None:
    info = cpu_info()
    assert info.name
    assert 1 <= info.cores <= 4096
    assert info.memory_bytes > 1 << 28
    assert 1 << 18 <= last_level_cache_bytes() <= 1 << 32


@pytest.mark.parametrize(("text", "size"), [("32768K\n", 32 << 20), ("1M", 1 << 20), ("", 0), ("junk", 0), ("12", 0)])
def test_cache_sizes_as_linux_writes_them(text: str, size: int) -> None:
    assert _parse_size(text) == size


def test_without_a_gpu(fake_native: Any) -> None:
    assert present_kinds() == ("emulated", "cpu")
    assert device_of("emulated").name == cpu_info().name
    with pytest.raises(MissingHardwareError, match=r"no CUDA device .*--device emulated") as caught:
        device_of("cuda")
    assert caught.value.exit_code == 77
    assert machine_summary()["gpus"] == []


def test_with_a_gpu_only_the_gpu_is_measured(fake_native: Any) -> None:
    fake_native.devices = [H200]
    assert present_kinds() == ("cuda",)
    assert device_of("cuda").name == "NVIDIA H200"


def test_unknown_kind() -> None:
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        device_of("tpu")


def test_gpu_lookup() -> None:
    gpu = find_gpu("NVIDIA H200")
    assert gpu is not None
    assert gpu.memory_gbps == 4800
    assert find_gpu("NVIDIA H2000") is None


def test_physical_peaks_are_above_the_data_sheets() -> None:
    for gpu in GPUS:
        device = Device("cuda", f"NVIDIA {gpu.name}")
        assert (physical_peak_tops(device, "s8") or 0) > gpu.int8_tops
        assert (physical_peak_tops(device, "f16") or 0) > gpu.float16_tflops
    assert physical_peak_tops(Device("cuda", "NVIDIA Unheard Of"), "s8") is None
    assert (physical_peak_tops(Device("cpu", "any"), "f32") or 0) >= 25


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_data_sheets_agree_with_arithmetic(gpu: Gpu) -> None:
    """SMs x operations a clock x clock gives the int8 peak within 1%: a sparse or misplaced figure would be 2x off."""
    computed = gpu.sm_count * gpu.s8_per_clock * gpu.boost_mhz / 1e6
    assert gpu.int8_tops == pytest.approx(computed, rel=0.01)
    assert gpu.int8_tops / gpu.float16_tflops == pytest.approx(2, rel=0.02) or gpu.name.startswith("GeForce")
    assert 200 <= gpu.memory_gbps <= 10_000
    assert gpu.source
