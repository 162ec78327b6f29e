"""Measured ceilings of one machine: what its matrix units and its memory were seen to do, today, through torch.

These are the roof of the report's roofline. They are *measured*, never taken from a data sheet: the best median over a
few sizes, all threads, random full-range operands. A kernel above its ceiling is possible (a better library than
torch's) and is a finding, not an error; the physical limit of the chip is higher still.

torch is imported when something is measured, not with this module.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from immabench.errors import MissingHardwareError, UsageError
from immabench.hardware import cache_bytes, cpu_info
from immabench.providers.torch_tensors import require_torch

GEMM_SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
CACHE_MULTIPLE = 4
CACHE_SHARES = (16, 8)
"""Copies within the last-level cache (a GPU's L2): source and target together fill an eighth and a quarter of it."""
CACHE_REPEATS = 16
"""Copies a timed call of these, so that what a call costs does not count."""
COPY_BYTES_RANGE = (64 << 20, 2 << 30)
PATTERN_BYTES = 1 << 20
SECONDS_PER_SIZE = 0.22
LONGEST_CALL_SECONDS = 0.15
NOISY_SPREAD = 1.3
METHOD = (
    "best of medians over the sizes below, every size warmed up once, all threads, random full-range operands, square "
    "C[N,N] = A[N,N] B[N,N] through torch (mm, _int_mm, _scaled_mm); copy bandwidth is Tensor.copy_ between two "
    "buffers of {multiple}x the last-level cache and larger, bytes read plus bytes written, write-allocate traffic not "
    "counted; cache bandwidth the same within a quarter of that cache"
)

# Which ceiling bounds a row: operand type -> key of the ceilings dictionary.
PEAK_KEYS = {
    "s8": "int8_tops",
    "e4m3": "fp8_tflops",
    "f32": "fp32_tflops",
    "bf16": "bf16_tflops",
    "f16": "fp16_tflops",
}


COPY_KEYS = ("copy_gbps", "cache_gbps")


def peak_key(operand_type: str) -> str | None:
    """Key of the compute ceiling in ``measure_ceilings()`` for an operand type, None where none is measured."""
    return PEAK_KEYS.get(operand_type)


def roof_tops(ceilings: dict[str, Any], operand_type: str, operations_per_byte: float) -> float | None:
    """The roof in 1e12 operations/s at an arithmetic intensity: ``min(peak, intensity * copy bandwidth)``.

    Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. None when the ceiling of that type was not measured.
    """
    peak, copy_gbps = ceilings.get(peak_key(operand_type) or ""), ceilings.get("copy_gbps")
    if peak is None or copy_gbps is None:
        return None
    return min(float(peak), operations_per_byte * float(copy_gbps) / 1e3)


def measure_ceilings(device: str = "cpu") -> dict[str, Any]:
    """Measure compute and copy ceilings of ``device`` ("cpu" or "cuda"); about 5 s, all threads.

    Returns ``{"device", "device_name", "threads", "fp32_tflops", "bf16_tflops", "fp16_tflops", "int8_tops",
    "fp8_tflops", "copy_gbps", "cache_gbps", "noisy", "load_average", "method", "sizes": [...], "measured_utc",
    "seconds", "torch"}``; rates are 1e12 operations/s (one multiply-accumulate is two) and 1e9 bytes/s, None where
    torch cannot run that type here. ``sizes`` holds one entry a measured size: ``{"what", "size", "median_us",
    "best_us", "worst_us", "samples", "rate", "unit"}``. ``noisy`` names the ceilings whose median was far above the
    fastest call: something else was running; ``load_average`` is the system's own, over the minute before.

    Raises UsageError for an unknown device, MissingHardwareError without CUDA, ImmabenchError without torch.
    """
    torch = _torch_for(device)
    start, load = time.perf_counter(), load_average()
    sizes = [entry for what in PEAK_KEYS.values() for entry in _gemm_sizes(torch, what, device)]
    sizes += _copy_sizes(torch, device)
    return {
        "device": device,
        "device_name": _device_name(torch, device),
        "threads": torch.get_num_threads(),
        **{what: _best(sizes, what) for what in (*PEAK_KEYS.values(), *COPY_KEYS)},
        "noisy": sorted({entry["what"] for entry in sizes if is_noisy(entry, sizes)}),
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


def _best(sizes: list[dict[str, Any]], what: str) -> float | None:
    return max((entry["rate"] for entry in sizes if entry["what"] == what), default=None)


def is_noisy(entry: dict[str, Any], sizes: list[dict[str, Any]]) -> bool:
    """Whether this entry is the ceiling of its kind and its median call took far longer than its fastest."""
    spread = float(entry["median_us"]) / float(entry["best_us"])
    return spread > NOISY_SPREAD and entry["rate"] == _best(sizes, entry["what"])


def _gemm_sizes(torch: Any, what: str, device: str) -> list[dict[str, Any]]:
    """Time one GEMM type over growing sizes; stops when the next size would be slow, [] where torch cannot run it."""
    entries: list[dict[str, Any]] = []
    for size in GEMM_SIZES[device]:
        if entries and _predicted_seconds(entries[-1], size) > LONGEST_CALL_SECONDS:
            break
        try:
            times = _time(torch, _gemm_call(torch, what, size, device), device)
        except (RuntimeError, NotImplementedError):
            break
        entries.append(_entry(what, size, times, work=2.0 * size**3, scale=1e12))
    return entries


def _predicted_seconds(last: dict[str, Any], size: int) -> float:
    return float(last["median_us"]) * 1e-6 * (size / int(last["size"])) ** 3


def _gemm_call(torch: Any, what: str, size: int, device: str) -> Callable[[], Any]:
    generator = torch.Generator(device=device).manual_seed(size)
    if what == "int8_tops":
        options = {"dtype": torch.int8, "device": device, "generator": generator}
        a, b = (torch.randint(-128, 128, (size, size), **options) for _ in range(2))
        # B is stored [N, K], as every kernel of the library takes it; CUDA's _int_mm wants it so as well.
        return lambda: torch._int_mm(a, b.t())
    dtype = {
        "fp32_tflops": torch.float32,
        "bf16_tflops": torch.bfloat16,
        "fp16_tflops": torch.float16,
        "fp8_tflops": torch.float8_e4m3fn,
    }[what]
    a, b = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2))
    if what == "fp8_tflops":
        options = {"scale_a": torch.ones((), device=device), "scale_b": torch.ones((), device=device)}
        return lambda: torch._scaled_mm(a, b.t(), **options, out_dtype=torch.bfloat16, use_fast_accum=True)
    return lambda: torch.mm(a, b.t())


def _copy_sizes(torch: Any, device: str) -> list[dict[str, Any]]:
    smallest = _copy_bytes(torch, device)
    large = [_copy_entry(torch, "copy_gbps", nbytes, device) for nbytes in (smallest, smallest * 2)]
    cache = cache_bytes(device)
    within = [max(PATTERN_BYTES, cache // share // PATTERN_BYTES * PATTERN_BYTES) for share in CACHE_SHARES]
    return large + [_copy_entry(torch, "cache_gbps", nbytes, device, CACHE_REPEATS) for nbytes in within]


def _copy_entry(torch: Any, what: str, nbytes: int, device: str, repeats: int = 1) -> dict[str, Any]:
    pattern = torch.randint(0, 256, (PATTERN_BYTES,), dtype=torch.uint8, device=device)
    source = pattern.repeat(nbytes // PATTERN_BYTES)
    target = torch.zeros_like(source)

    def copies() -> None:
        for _ in range(repeats):
            target.copy_(source)

    times = _time(torch, copies, device)
    return _entry(what, nbytes, [seconds / repeats for seconds in times], work=2.0 * nbytes, scale=1e9)


def _copy_bytes(torch: Any, device: str) -> int:
    low, high = COPY_BYTES_RANGE
    return int(min(max(CACHE_MULTIPLE * cache_bytes(device), low), high)) // PATTERN_BYTES * PATTERN_BYTES


def _time(torch: Any, call: Callable[[], Any], device: str) -> list[float]:
    """Wall seconds of repeated calls: one warm-up, then at least 3 and at most 30 within the budget of a size."""
    wait: Callable[[], Any] = torch.cuda.synchronize if device == "cuda" else _nothing
    _one(call, wait)
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SECONDS_PER_SIZE and len(times) < 30):
        times.append(_one(call, wait))
    return times


def load_average() -> float | None:
    """Runnable tasks on average over the last minute, None where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _one(call: Callable[[], Any], wait: Callable[[], Any]) -> float:
    wait()
    start = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def _nothing() -> None:
    return None


def _entry(what: str, size: int, times: list[float], work: float, scale: float) -> dict[str, Any]:
    median = statistics.median(times)
    return {
        "what": what,
        "size": size,
        "median_us": median * 1e6,
        "best_us": min(times) * 1e6,
        "worst_us": max(times) * 1e6,
        "samples": len(times),
        "rate": work / median / scale,
        "unit": {1e12: "1e12 operations/s", 1e9: "1e9 bytes/s"}[scale],
    }


def _device_name(torch: Any, device: str) -> str:
    return str(torch.cuda.get_device_name(0)) if device == "cuda" else cpu_info().name
