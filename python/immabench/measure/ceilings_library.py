"""The library's ceilings: square GEMMs and copies through torch, as a model runs them.

torch is imported by whoever calls; nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from immabench.hardware import cache_bytes
from immabench.measure.ceilings_meter import Meter, size_entry
from immabench.measure.roof import PEAK_KEYS

GEMM_SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
CACHE_MULTIPLE = 4
"""Source and target of a large copy are each so many times the last-level cache."""
CACHE_SHARES = (16, 8)
"""Copies within the last-level cache (a GPU's L2): source and target together fill an eighth and a quarter of it."""
CACHE_REPEATS = 16
"""Copies a timed call of these, so that what a call costs does not count."""
COPY_BYTES_RANGE = (64 << 20, 2 << 30)
PATTERN_BYTES = 1 << 20
LONGEST_CALL_SECONDS = 0.15


def gemm_entries(torch: Any, meter: Meter, reasons: dict[str, str]) -> list[dict[str, Any]]:
    """One entry a type and size; why torch cannot run a type goes into `reasons` under its key."""
    return [entry for what in PEAK_KEYS.values() for entry in _gemm_sizes(torch, what, meter, reasons)]


def copy_entries(torch: Any, meter: Meter) -> list[dict[str, Any]]:
    """`Tensor.copy_` between two large buffers, and between two within the cache; bytes read plus bytes written."""
    large = copy_bytes(meter.device)
    found = [_copy_entry(torch, "copy_gbps", nbytes, meter) for nbytes in (large, large * 2)]
    within = [whole_patterns(cache_bytes(meter.device) // share) for share in CACHE_SHARES]
    return found + [_copy_entry(torch, "cache_gbps", nbytes, meter, CACHE_REPEATS) for nbytes in within]


def copy_bytes(device: str) -> int:
    """Bytes of one buffer that is far too large for the last-level cache of `device`."""
    low, high = COPY_BYTES_RANGE
    return whole_patterns(min(max(CACHE_MULTIPLE * cache_bytes(device), low), high))


def whole_patterns(nbytes: int) -> int:
    """`nbytes` rounded down to whole patterns of random bytes, at least one."""
    return max(PATTERN_BYTES, nbytes // PATTERN_BYTES * PATTERN_BYTES)


def _gemm_sizes(torch: Any, what: str, meter: Meter, reasons: dict[str, str]) -> list[dict[str, Any]]:
    """Time one GEMM type over growing sizes; stops when the next would be slow, or where torch cannot run it."""
    entries: list[dict[str, Any]] = []
    for size in GEMM_SIZES[meter.device]:
        if entries and _predicted_seconds(entries[-1], size) > LONGEST_CALL_SECONDS:
            break
        try:
            timing = meter.measure(gemm_call(torch, what, size, meter.device))
        except (RuntimeError, NotImplementedError) as error:
            where = f"at {size} cubed: " if entries else ""
            reasons[what] = f"torch: {where}{' '.join(str(error).split())[:200]}"
            break
        entries.append(size_entry(what, "torch", size, timing, 2.0 * size**3, "1e12 operations/s"))
    return entries


def _predicted_seconds(last: dict[str, Any], size: int) -> float:
    return float(last["median_us"]) * 1e-6 * (size / int(last["size"])) ** 3


def gemm_call(torch: Any, what: str, size: int, device: str) -> Callable[[], Any]:
    """A call that multiplies two random square matrices, B stored as [N, K] as every kernel of the library takes it."""
    generator = torch.Generator(device=device).manual_seed(size)
    if what == "int8_tops":
        options = {"dtype": torch.int8, "device": device, "generator": generator}
        a, b = (torch.randint(-128, 128, (size, size), **options) for _ in range(2))
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


def _copy_entry(torch: Any, what: str, nbytes: int, meter: Meter, repeats: int = 1) -> dict[str, Any]:
    pattern = torch.randint(0, 256, (PATTERN_BYTES,), dtype=torch.uint8, device=meter.device)
    source = pattern.repeat(nbytes // PATTERN_BYTES)
    target = torch.zeros_like(source)

    def copies() -> None:
        for _ in range(repeats):
            target.copy_(source)

    return size_entry(what, "torch", nbytes, meter.measure(copies), 2.0 * nbytes * repeats, "1e9 bytes/s")
