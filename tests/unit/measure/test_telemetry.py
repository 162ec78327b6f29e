"""Readings of a GPU, on a made-up NVML; samples taken while it was held back are discarded, counted and explained."""

# ruff: noqa: N802, N815 - the names are those of NVML
from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from immabench.errors import MissingHardwareError
from immabench.measure.cuda_timer import Batch, collect
from immabench.measure.telemetry import (
    THROTTLING,
    NoTelemetry,
    Nvml,
    Reading,
    Summary,
    summarize,
    telemetry_of,
)
from immabench.measure.timer import Criterion

UUID = "GPU-11112222-3333-4444-5555-666677778888"
COOL = Reading(1980.0, 650.0, 55.0)
HOT = Reading(1200.0, 690.0, 91.0, ("hardware thermal slowdown",))


class FakeNvml:
    """As much of pynvml as is used, with two GPUs in NVML's own order."""

    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0
    nvmlClocksEventReasonSwPowerCap = 0x4
    nvmlClocksEventReasonHwSlowdown = 0x8
    nvmlClocksEventReasonSwThermalSlowdown = 0x20
    nvmlClocksEventReasonHwThermalSlowdown = 0x40
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 0x80

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.gpus = {"GPU-other": SimpleNamespace(clock=100), UUID: SimpleNamespace(clock=1755)}
        self.reasons = 0

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:
        if uuid not in self.gpus:
            raise self.NVMLError("Not Found")
        return self.gpus[uuid]

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu: Any) -> int:
        return self.reasons

    def nvmlDeviceGetClockInfo(self, gpu: Any, domain: int) -> int:
        return gpu.clock

    def nvmlDeviceGetPowerUsage(self, gpu: Any) -> int:
        return 640_500

    def nvmlDeviceGetTemperature(self, gpu: Any, sensor: int) -> int:
        return 61


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def test_it_reads_the_gpu_of_that_uuid_whatever_its_number(nvml: FakeNvml) -> None:
    assert Nvml(UUID).read() == Reading(1755.0, 640.5, 61.0)


@pytest.mark.parametrize("name", THROTTLING)
def test_every_reason_is_named(nvml: FakeNvml, name: str) -> None:
    nvml.reasons = getattr(nvml, THROTTLING[name]) | nvml.nvmlClocksEventReasonSwPowerCap
    reading = Nvml(UUID).read()
    assert reading is not None
    assert reading.throttled_by == (name,)


def test_a_power_cap_alone_is_no_throttling(nvml: FakeNvml) -> None:
    nvml.reasons = nvml.nvmlClocksEventReasonSwPowerCap
    reading = Nvml(UUID).read()
    assert reading is not None
    assert reading.throttled_by == ()


def test_the_names_are_those_of_pynvml() -> None:
    pynvml = pytest.importorskip("pynvml", reason="pip install nvidia-ml-py")
    for constant in (*THROTTLING.values(), "nvmlClocksEventReasonSwPowerCap"):
        assert getattr(pynvml, constant) == getattr(FakeNvml, constant)
    for name in ("NVML_CLOCK_SM", "NVML_TEMPERATURE_GPU"):
        assert getattr(pynvml, name) == getattr(FakeNvml, name)
    for name in (name for name in dir(FakeNvml) if name.startswith("nvmlDevice")):
        assert callable(getattr(pynvml, name))


def test_an_unknown_gpu_or_a_missing_package_has_its_remedy(nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingHardwareError, match="NVML does not reach MIG-1"):
        Nvml("MIG-1")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MissingHardwareError, match=r"nvidia-ml-py is not installed; pip install 'immabench\[gpu\]'"):
        Nvml(UUID)
    assert telemetry_of(UUID).read() is None


def test_a_reading_that_fails_is_none(nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Nvml(UUID)

    def fail(*_: Any) -> int:
        raise nvml.NVMLError("GPU is lost")

    monkeypatch.setattr(nvml, "nvmlDeviceGetPowerUsage", fail)
    assert gpu.read() is None


def test_summaries_are_medians() -> None:
    assert summarize([]) == Summary()
    assert summarize([COOL, HOT, COOL]) == Summary(1980.0, 650.0, 55.0)


class Script:
    """Telemetry that says one reading after the other, the last one for ever."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    def read(self) -> Reading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


QUICK = Criterion(min_samples=4, max_samples=8, min_seconds=0.0, max_seconds=0.05)


def test_throttled_batches_are_discarded_and_counted() -> None:
    firsts: list[int] = []

    def batch(first: int) -> Batch:
        firsts.append(first)
        return Batch([10.0 + first] * 4)

    timing = collect(QUICK, Script(HOT, COOL), batch)
    assert timing.times_us == (14.0,) * 4
    assert (timing.discarded, timing.distrust) == (4, "")
    assert timing.gpu == Summary(1980.0, 650.0, 55.0)
    assert firsts == [0, 4]  # the rotation goes on, whatever becomes of the samples


def test_a_gpu_that_stays_hot_is_not_believed() -> None:
    timing = collect(QUICK, Script(HOT), lambda first: Batch([10.0] * 4))
    assert timing.discarded > 0
    assert timing.distrust.endswith("samples discarded: hardware thermal slowdown; let the GPU cool, or give it power")


def test_without_telemetry_nothing_is_discarded() -> None:
    timing = collect(QUICK, NoTelemetry(), lambda first: Batch([10.0] * 4))
    assert (len(timing.times_us), timing.discarded, timing.gpu) == (4, 0, Summary())
