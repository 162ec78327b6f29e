"""Clocks, power and temperature of the GPU that is timed, from NVML, and whether it was held back meanwhile.

NVML counts all GPUs of the machine, CUDA those that CUDA_VISIBLE_DEVICES shows, in its order; the UUID joins the two.
Source: NVIDIA, NVML API Reference Guide (nvmlDeviceGetClockInfo, nvmlDeviceGetPowerUsage, nvmlClocksEventReason*).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

from immabench.errors import MissingHardwareError

THROTTLING = {
    "hardware slowdown": "nvmlClocksEventReasonHwSlowdown",
    "hardware thermal slowdown": "nvmlClocksEventReasonHwThermalSlowdown",
    "hardware power brake": "nvmlClocksEventReasonHwPowerBrakeSlowdown",
    "software thermal slowdown": "nvmlClocksEventReasonSwThermalSlowdown",
}
"""Reasons that spoil a sample. The software power cap is not among them: it is how a GPU at full load is meant to run,
and what it does to the clock is in the row's `sm_clock_mhz`."""


@dataclass(frozen=True)
class Reading:
    """The GPU at one moment: SM clock in MHz, power in W, temperature in degrees C, and why it is held back."""

    sm_clock_mhz: float
    power_w: float
    temperature_c: float
    throttled_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Medians over the readings of one measurement; None where nothing was read."""

    sm_clock_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None


class Telemetry(Protocol):
    """Where readings come from."""

    def read(self) -> Reading | None:
        """The GPU now; None where nothing can be read."""


class NoTelemetry:
    """Stands where there is no NVML: nothing is known, and no sample is taken for throttled."""

    def read(self) -> Reading | None:
        return None


class Nvml:
    """One GPU by its UUID. Raises MissingHardwareError, with the remedy, where NVML or the GPU cannot be reached."""

    def __init__(self, uuid: str) -> None:
        self._nvml = _load()
        try:
            self._nvml.nvmlInit()
            self._gpu = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        except self._nvml.NVMLError as error:
            raise MissingHardwareError(f"NVML does not reach {uuid} ({error})", "check nvidia-smi") from error

    def read(self) -> Reading | None:
        nvml, gpu = self._nvml, self._gpu
        try:
            reasons = nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)
            return Reading(
                float(nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM)),
                nvml.nvmlDeviceGetPowerUsage(gpu) / 1e3,
                float(nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),
                tuple(name for name, constant in THROTTLING.items() if reasons & getattr(nvml, constant)),
            )
        except nvml.NVMLError:
            return None


def telemetry_of(uuid: str) -> Telemetry:
    """NVML's readings of a GPU, `NoTelemetry` where nvidia-ml-py is not installed or does not reach it.

    `immabench doctor` says which; rows then hold no clock and no power.
    """
    try:
        return Nvml(uuid)
    except MissingHardwareError:
        return NoTelemetry()


def summarize(readings: Sequence[Reading]) -> Summary:
    """Medians of clock, power and temperature."""
    if not readings:
        return Summary()
    return Summary(
        median(reading.sm_clock_mhz for reading in readings),
        median(reading.power_w for reading in readings),
        median(reading.temperature_c for reading in readings),
    )


def _load() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError as error:
        raise MissingHardwareError("nvidia-ml-py is not installed", "pip install 'immabench[gpu]'") from error
