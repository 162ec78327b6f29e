"""Machines: what this one is, and the data-sheet peaks of the GPUs the project knows."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from immabench.errors import MissingHardwareError, UsageError

DEVICE_KINDS = ("emulated", "cpu", "cuda")

FALLBACK_CACHE_BYTES = 32 << 20
"""Assumed last-level cache where the system does not state one."""


@dataclass(frozen=True)
class Device:
    """Where a problem is computed. `kind` is "emulated" (GPU source on the CPU), "cpu" or "cuda"."""

    kind: str
    name: str
    index: int = 0


@dataclass(frozen=True)
class CpuInfo:
    """The CPU of this machine; `cores` are those this process may use."""

    name: str
    cores: int
    memory_bytes: int
    last_level_cache_bytes: int


@functools.cache
def cpu_info() -> CpuInfo:
    """Model name, usable cores, memory and last-level cache, as the system states them."""
    return CpuInfo(_cpu_name(), _usable_cores(), _memory_bytes(), last_level_cache_bytes())


def last_level_cache_bytes() -> int:
    """Bytes of the largest cache of core 0 as Linux states it, 32 MiB where it states none."""
    sizes = [_parse_size(path.read_text()) for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max(sizes, default=0) or FALLBACK_CACHE_BYTES


def cache_bytes(device_kind: str) -> int:
    """Bytes of the cache that decides whether operands are cold: a GPU's L2, else this CPU's last level."""
    return int(cuda_state()["devices"][0]["l2_bytes"]) if device_kind == "cuda" else last_level_cache_bytes()


def cuda_state() -> dict[str, Any]:
    """What the CUDA driver answers, `{"status", "error", "devices"}`; any status but 0 means there is none."""
    from immabench.kernels import native

    state: dict[str, Any] = native().cuda_devices()
    return state


def device_of(kind: str) -> Device:
    """The device of a kind. Raises UsageError for an unknown kind and MissingHardwareError for cuda without a GPU."""
    if kind not in DEVICE_KINDS:
        raise UsageError(f"unknown device {kind!r}", f"choose one of {', '.join(DEVICE_KINDS)}")
    if kind != "cuda":
        return Device(kind, cpu_info().name)
    state = cuda_state()
    if state["status"] != 0 or not state["devices"]:
        reason = state["error"] or "the driver lists none"
        raise MissingHardwareError(
            f"no CUDA device ({reason})", "run with --device emulated, or --device cpu for timing"
        )
    return Device("cuda", state["devices"][0]["name"])


def present_kinds() -> tuple[str, ...]:
    """The device kinds a sweep uses by default: the GPU alone where there is one, else emulation and this CPU."""
    state = cuda_state()
    return ("cuda",) if state["status"] == 0 and state["devices"] else ("emulated", "cpu")


def machine_summary() -> dict[str, Any]:
    """The machine as `run.json` records it: cpu, cores, memory_bytes, os, gpus."""
    info = asdict(cpu_info())
    info["cpu"] = info.pop("name")
    return {**info, "os": platform.platform(), "gpus": cuda_state()["devices"]}


@dataclass(frozen=True)
class Gpu:
    """Data-sheet peaks of one GPU: dense (no sparsity), in 1e12 operations/s; memory in GB/s (1e9 bytes/s).

    `float16_tflops` accumulates in fp32. `s8_per_clock` is dense s8 operations a clock and SM at `boost_mhz`.
    """

    name: str
    architecture: str
    sm_count: int
    boost_mhz: int
    s8_per_clock: int
    int8_tops: float
    float16_tflops: float
    memory_gbps: float
    source: str


_AMPERE = "NVIDIA A100 Tensor Core GPU data sheet"
_GA102 = "NVIDIA Ampere GA102 GPU architecture whitepaper"
_ADA = "NVIDIA Ada GPU architecture whitepaper"
_HOPPER = "NVIDIA H100 Tensor Core GPU data sheet (half of its sparse figures)"

GPUS = (
    Gpu("A100-SXM4-80GB", "sm_80", 108, 1410, 4096, 624, 312, 2039, _AMPERE),
    Gpu("A100-SXM4-40GB", "sm_80", 108, 1410, 4096, 624, 312, 1555, _AMPERE),
    Gpu("A40", "sm_86", 84, 1740, 2048, 299.3, 149.7, 696, "NVIDIA A40 data sheet"),
    Gpu("A10", "sm_86", 72, 1695, 2048, 250, 125, 600, "NVIDIA A10 data sheet"),
    Gpu("GeForce RTX 3090", "sm_86", 82, 1695, 2048, 284, 71, 936, _GA102),
    Gpu("GeForce RTX 4090", "sm_89", 128, 2520, 2048, 660.6, 165.2, 1008, _ADA),
    Gpu("L4", "sm_89", 58, 2040, 2048, 242.5, 121, 300, "NVIDIA L4 data sheet (half of its sparse figures)"),
    Gpu("L40S", "sm_89", 142, 2520, 2048, 733, 362, 864, "NVIDIA L40S data sheet"),
    Gpu("H100 80GB HBM3", "sm_90", 132, 1830, 8192, 1979, 989.4, 3350, _HOPPER),
    Gpu("H100 PCIe", "sm_90", 114, 1620, 8192, 1513, 756, 2000, _HOPPER),
    Gpu("H200", "sm_90", 132, 1830, 8192, 1979, 989.4, 4800, "NVIDIA H200 data sheet (half of its sparse figures)"),
)


def find_gpu(device_name: str) -> Gpu | None:
    """The table entry of the driver's `device_name`, for example "NVIDIA H200"; None if unknown."""
    return next((gpu for gpu in GPUS if device_name.removeprefix("NVIDIA ").strip() == gpu.name), None)


CPU_OPERATIONS_PER_CLOCK = 4096
CPU_CLOCK_HZ = 6.5e9
"""Above any CPU there is: twice the s8 operations a clock and core of AMX (1024 multiply-accumulates); the clock."""

GPU_SHARE = {"s8": 1.0, "e4m3": 1.0, "f16": 0.5, "bf16": 0.5, "f32": 0.25}
"""Dense tensor-core peak of a type as a share of the s8 peak on every GPU of the table that has the type; f32 counts as
TF32."""

GPU_CLOCK_MARGIN = 1.15
"""How far a GPU may run above the boost clock of its data sheet."""


def physical_peak_tops(device: Device, data_type: str) -> float | None:
    """A rate in 1e12 operations/s that `device` cannot exceed; None for a GPU the table does not know.

    Meant to expose times that cannot be true, so it is generous; the roof a kernel is judged by is measured.
    """
    if device.kind != "cuda":
        return cpu_info().cores * CPU_OPERATIONS_PER_CLOCK * CPU_CLOCK_HZ / 1e12
    gpu = find_gpu(device.name)
    return gpu.int8_tops * GPU_SHARE[data_type] * GPU_CLOCK_MARGIN if gpu else None


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _parse_size(text: str) -> int:
    """Bytes of "32768K"; 0 for anything else."""
    digits, unit = text.strip()[:-1], text.strip()[-1:]
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(unit)
    return int(digits) * factor if factor and digits.isdigit() else 0
