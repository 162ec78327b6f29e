"""Bandwidth of memory and cache by the native kernels: buffers read, on a GPU also copied, many times in one launch."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np

from immabench.hardware import cache_bytes, cpu_info, cuda_state
from immabench.kernels import native
from immabench.measure.ceilings_library import COPY_BYTES_RANGE, PATTERN_BYTES, copy_bytes, whole_patterns
from immabench.measure.ceilings_meter import Meter, size_entry

CACHE_SHARES = (8, 4)
"""Reads within the last-level cache (a GPU's L2) go over an eighth and a quarter of it."""
GPU_CACHE_MULTIPLE = 32
"""A buffer that is read several times keeps a share of itself in L2: here it can be no more than 1/32."""
BYTES_A_LAUNCH = {"cpu": 1 << 30, "cuda": 4 << 30}
"""Enough that starting threads, or a kernel, costs less than a hundredth of it."""
BLOCKS_AN_SM = 4
"""1024 threads with four loads of 16 bytes each: 64 KiB in flight an SM, more than bandwidth times latency anywhere."""


def memory_entries(torch: Any, meter: Meter) -> list[dict[str, Any]]:
    """Reads of two large buffers and of two within the cache; on a GPU a copy as well."""
    return _cpu_entries(meter) if meter.device == "cpu" else _gpu_entries(torch, meter)


def _cpu_entries(meter: Meter) -> list[dict[str, Any]]:
    # As many bytes in all as the two buffers of a copy.
    large = [2 * copy_bytes("cpu"), 4 * copy_bytes("cpu")]
    within = [whole_patterns(cache_bytes("cpu") // share) for share in CACHE_SHARES]
    found = [_cpu_read("read_gbps", nbytes, meter) for nbytes in large]
    return found + [_cpu_read("cache_read_gbps", nbytes, meter) for nbytes in within]


def _cpu_read(what: str, nbytes: int, meter: Meter) -> dict[str, Any]:
    pattern = np.random.default_rng(nbytes).integers(0, 1 << 62, PATTERN_BYTES // 8)
    source, read, threads = np.tile(pattern, nbytes // PATTERN_BYTES), native().read_memory, cpu_info().cores
    repeats = _repeats(nbytes, "cpu")
    timing = meter.measure(lambda: read(source, repeats=repeats, threads=threads))
    return size_entry(what, "immabench", nbytes, timing, float(nbytes * repeats), "1e9 bytes/s")


def _gpu_entries(torch: Any, meter: Meter) -> list[dict[str, Any]]:
    cache = cache_bytes("cuda")
    large = whole_patterns(min(GPU_CACHE_MULTIPLE * cache, COPY_BYTES_RANGE[1]))
    within = [whole_patterns(cache // share) for share in CACHE_SHARES]
    found = [_gpu_entry(torch, "read_gbps", nbytes, meter, _reader(torch)) for nbytes in (large // 2, large)]
    found += [_gpu_entry(torch, "copy_gbps", large, meter, _copier(torch))]
    return found + [_gpu_entry(torch, "cache_read_gbps", nbytes, meter, _reader(torch)) for nbytes in within]


GpuWork = Callable[[Any, int, int, int], tuple[Callable[[], None], int]]
"""(source, blocks, repeats, stream) -> a launch, and how many bytes of traffic it makes a byte of source and repeat."""


def _reader(torch: Any) -> GpuWork:
    def work(source: Any, blocks: int, repeats: int, stream: int) -> tuple[Callable[[], None], int]:
        sums = torch.zeros((blocks, 256, 4), dtype=torch.int32, device="cuda")
        launch = native().launch_read
        return lambda: launch(source, sums, blocks=blocks, repeats=repeats, stream=stream), 1

    return work


def _copier(torch: Any) -> GpuWork:
    def work(source: Any, blocks: int, repeats: int, stream: int) -> tuple[Callable[[], None], int]:
        target, launch = torch.zeros_like(source), native().launch_copy
        return lambda: launch(source, target, blocks=blocks, repeats=repeats, stream=stream), 2

    return work


def _gpu_entry(torch: Any, what: str, nbytes: int, meter: Meter, work: GpuWork) -> dict[str, Any]:
    nbytes = whole_patterns(nbytes)
    pattern = torch.randint(-(2**31), 2**31, (PATTERN_BYTES // 4,), dtype=torch.int32, device="cuda")
    source, repeats = pattern.repeat(nbytes // PATTERN_BYTES), _repeats(nbytes, "cuda")
    blocks = BLOCKS_AN_SM * cuda_state()["devices"][0]["sm_count"]
    launch, traffic = work(source, blocks, repeats, torch.cuda.current_stream().cuda_stream)
    return size_entry(
        what, "immabench", nbytes, meter.measure(launch), float(traffic * nbytes * repeats), "1e9 bytes/s"
    )


def _repeats(nbytes: int, device: str) -> int:
    return ceil(BYTES_A_LAUNCH[device] / nbytes)
