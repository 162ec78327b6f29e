"""Measured ceilings of one machine: its instructions, its memory and cache, and what a library makes of them.

They are the roof of the report's roofline (`roof.py` says how), *measured* today, never taken from a data sheet, by the
one timer and on random full-range operands. Instructions and reads are immabench's own loops (kernels/ceiling/); GEMMs
and copies are torch's.

torch is imported when something is measured, not with this module.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from immabench.errors import MissingHardwareError, UsageError
from immabench.hardware import cpu_info
from immabench.measure.ceilings_instructions import cpu_instructions, gpu_instructions
from immabench.measure.ceilings_library import CACHE_MULTIPLE, GEMM_SIZES, copy_entries, gemm_entries
from immabench.measure.ceilings_memory import memory_entries
from immabench.measure.ceilings_meter import Meter
from immabench.measure.roof import COPY_KEYS, PEAK_KEYS, READ_KEYS, contradictions
from immabench.providers.torch_tensors import require_torch

NOISY_SPREAD = 1.3
METHOD = (
    "the best over the sizes below, every size warmed up, all threads, random full-range operands. Fastest launch: "
    "instructions, in loops of one instruction on registers (wgmma: on shared memory), on every core; reads folded by "
    "xor, of buffers larger than {multiple}x the last-level cache or within a quarter of it. Median: square GEMMs "
    "C[N,N] = A[N,N] B[N,N] through torch (mm, _int_mm, _scaled_mm); Tensor.copy_ between two buffers of {multiple}x "
    "that cache and larger or within a quarter of it, bytes read plus bytes written, write-allocate traffic not counted"
)


def measure_ceilings(device: str = "cpu") -> dict[str, Any]:
    """Measure the ceilings of ``device`` ("cpu" or "cuda"); about 10 s, all threads.

    Returns ``{"device", "device_name", "threads", "fp32_tflops", "bf16_tflops", "fp16_tflops", "int8_tops",
    "fp8_tflops", "copy_gbps", "cache_gbps", "read_gbps", "cache_read_gbps", "instructions": [...], "reasons",
    "contradictions", "noisy", "load_average", "method", "sizes": [...], "measured_utc", "seconds", "torch"}``; rates
    are 1e12 operations/s (one multiply-accumulate is two) and 1e9 bytes/s. The first five are the library's GEMMs, None
    where torch cannot run that type here, and ``reasons`` says why. ``sizes`` holds one entry a measured size:
    ``{"what", "by", "size", "median_us", "best_us", "worst_us", "samples", "rate", "unit", "distrust"}``.
    ``instructions``: see `ceilings_instructions`. ``contradictions``: a library above what its instructions can do.
    ``noisy`` names the ceilings whose median was far above the fastest call, or whose times are not to be trusted;
    ``load_average`` is the system's own, over the minute before.

    Raises UsageError for an unknown device, MissingHardwareError without CUDA, ImmabenchError without torch.
    """
    torch = _torch_for(device)
    start, load, meter = time.perf_counter(), load_average(), Meter(device)
    reasons: dict[str, str] = {}
    instructions = gpu_instructions(torch, meter) if device == "cuda" else cpu_instructions(meter)
    sizes = gemm_entries(torch, meter, reasons) + copy_entries(torch, meter) + memory_entries(torch, meter)
    found = {what: best(sizes, what) for what in (*PEAK_KEYS.values(), *COPY_KEYS, *READ_KEYS)}
    return {
        "device": device,
        "device_name": _device_name(torch, device),
        "threads": torch.get_num_threads(),
        **found,
        "instructions": instructions,
        "reasons": reasons,
        "contradictions": contradictions({**found, "instructions": instructions}),
        "noisy": noisy(sizes, instructions),
        "load_average": load,
        "method": METHOD.format(multiple=CACHE_MULTIPLE),
        "sizes": sizes,
        "measured_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - start, 3),
        "torch": torch.__version__,
    }


def _torch_for(device: str) -> Any:
    if device not in GEMM_SIZES:
        raise UsageError(f"unknown device {device!r}", f"choose one of {', '.join(GEMM_SIZES)}")
    torch = require_torch()
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingHardwareError("no CUDA device for torch to measure", "run `immabench ceilings` for the CPU")
    return torch


def best(sizes: Sequence[dict[str, Any]], what: str) -> float | None:
    """The highest rate among the entries of a kind, None where there are none."""
    return max((entry["rate"] for entry in sizes if entry["what"] == what), default=None)


def noisy(sizes: Sequence[dict[str, Any]], instructions: Sequence[dict[str, Any]]) -> list[str]:
    """The ceilings and instructions whose times are not to be relied on."""
    ceilings = {entry["what"] for entry in sizes if entry["rate"] == best(sizes, entry["what"]) and is_noisy(entry)}
    return sorted(ceilings | {entry["name"] for entry in instructions if entry["rate"] and is_noisy(entry)})


def is_noisy(entry: dict[str, Any]) -> bool:
    """Whether the median call took far longer than the fastest, or the timer itself distrusts the times."""
    return bool(entry.get("distrust")) or float(entry["median_us"]) > NOISY_SPREAD * float(entry["best_us"])


def load_average() -> float | None:
    """Runnable tasks on average over the last minute, None where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _device_name(torch: Any, device: str) -> str:
    return str(torch.cuda.get_device_name(0)) if device == "cuda" else cpu_info().name
