"""Peak rates of instructions by the native loops: matrix instructions of a GPU, vector and matrix ones of this CPU.

An entry is `{"name", "operand_type", "accumulator", "status", "rate", "unit", "per_clock_per_core", "clock_mhz",
"cores", "reason", ...}`, a core of a GPU being an SM. `status` is "native", "emulated" (a routine of other
instructions, whose rate is not that of the one it is named after), "absent", or "unknown" where the build has no table
of capabilities. `rate` is None where nothing was measured, and `reason` says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from immabench.errors import MissingHardwareError, UsageError
from immabench.hardware import cpu_info, cuda_state
from immabench.kernels import native
from immabench.measure.ceilings_meter import Meter, timed
from immabench.profile.caps import capabilities

CPU_LAUNCH_SECONDS = 0.02
"""Starting the threads takes some 0.05 ms of it."""
CPU_GLANCE = 20_000
GPU_LAUNCH_SECONDS = 0.002
GPU_GLANCE = 2_000
CHAIN_ADDITIONS = 16_000_000

NOT_MEASURED = {"rate": None, "unit": "1e12 operations/s", "per_clock_per_core": None, "clock_mhz": None}


def cpu_instructions(meter: Meter) -> list[dict[str, Any]]:
    """Every instruction of the table, on one core and on all; those this CPU lacks are "absent"."""
    found = []
    for rate in native().ceilings():
        if rate["device"] != "cpu":
            continue
        cores = sorted({1, cpu_info().cores}) if rate["present"] else [cpu_info().cores]
        found += [_cpu_entry(rate, count, meter) for count in cores]
    return found


def cpu_clock_mhz(meter: Meter) -> float:
    """The clock of one core, from a chain of additions that take one clock each."""
    chain = native().add_chain
    return CHAIN_ADDITIONS / min(meter.measure(lambda: chain(0, 3, CHAIN_ADDITIONS)).times_us)


def _cpu_entry(rate: dict[str, Any], cores: int, meter: Meter) -> dict[str, Any]:
    known = _described(rate, "native" if rate["present"] else "absent", cores)
    if not rate["present"]:
        return {**known, **NOT_MEASURED, "reason": f"this CPU or system has no {rate['feature']}"}
    run, operands = native().run_cpu_rate, cpu_operands(rate)
    out = np.zeros((cores, rate["chains"], rate["vector_bytes"]), np.uint8)

    def launch(iterations: int) -> None:
        run(rate["name"], operands, out, iterations=iterations)

    clock = cpu_clock_mhz(meter)
    iterations = meter.units_for(CPU_LAUNCH_SECONDS, launch, CPU_GLANCE)
    operations = float(2 * rate["chains"] * rate["operations"] * iterations * cores)
    entry = timed(meter.measure(lambda: launch(iterations)), operations, "1e12 operations/s", by_fastest=True)
    return {**known, **entry, "per_clock_per_core": entry["rate"] * 1e6 / cores / clock, "clock_mhz": clock}


def cpu_operands(rate: dict[str, Any]) -> np.ndarray:
    """x[0], x[1], y and the start of each chain as bytes; floats are normal, x[1] = -x[0], so that sums stay small."""
    generator, shape = np.random.default_rng(0), (3 + rate["chains"], rate["vector_bytes"])
    if rate["operand_type"] == "s8":
        return generator.integers(0, 256, shape).astype(np.uint8)
    values = generator.standard_normal((shape[0], shape[1] // 4)).astype(np.float32)
    values[1] = -values[0]
    words = values.view(np.uint32)
    if rate["operand_type"] == "bf16":
        # Two to a word: the upper halves of two floats are bf16.
        words[:3] = words[:3] & 0xFFFF0000 | np.roll(words[:3], 1, axis=1) >> 16
    return words.view(np.uint8)


@dataclass(frozen=True)
class GpuLoop:
    """The loop of one instruction on a GPU: `launch(iterations)`, and what each block's clock said of the last one."""

    launch: Callable[[int], None]
    clocks: Callable[[], list[tuple[int, int]]]
    """Clocks and nanoseconds of each block, (-1, -1) where this GPU's code has no such loop; waits for the GPU."""
    blocks: int


def gpu_instructions(torch: Any, meter: Meter) -> list[dict[str, Any]]:
    """Every matrix instruction of the table on the first GPU, one block an SM."""
    device = cuda_state()["devices"][0]
    arch = "sm_{}{}".format(*device["compute_capability"])
    rates = [rate for rate in native().ceilings() if rate["device"] == "cuda"]
    return [gpu_entry(rate, *_status(rate, arch), _gpu_loop(torch, rate, device["sm_count"]), meter) for rate in rates]


def gpu_entry(rate: dict[str, Any], status: str, reason: str, loop: GpuLoop, meter: Meter) -> dict[str, Any]:
    """Measure one loop; `status` and `reason` are what the table of capabilities says of the instruction."""
    known = {**_described(rate, status, loop.blocks), "reason": reason}
    if status == "absent":
        return {**known, **NOT_MEASURED}
    loop.launch(GPU_GLANCE)
    if loop.clocks()[0][0] < 0:
        return {**known, **NOT_MEASURED, "reason": reason or "not compiled for this architecture"}
    iterations = meter.units_for(GPU_LAUNCH_SECONDS, loop.launch, GPU_GLANCE)
    operations = float(rate["instructions"] * rate["operations"] * iterations)
    timing = meter.measure(lambda: loop.launch(iterations))
    clocks = loop.clocks()
    return {
        **known,
        **timed(timing, operations * loop.blocks, "1e12 operations/s", by_fastest=True),
        "per_clock_per_core": operations / median(taken for taken, _ in clocks),
        "clock_mhz": median(taken / nanoseconds for taken, nanoseconds in clocks) * 1e3,
    }


def _status(rate: dict[str, Any], arch: str) -> tuple[str, str]:
    """What the table of capabilities says: (status, why it is not native)."""
    try:
        rows = {row["name"]: row for row in capabilities(arch)["instructions"]}
    except (MissingHardwareError, UsageError) as error:
        return "unknown", str(error)
    row = rows.get(rate["capability"])
    if row is None:
        return "unknown", f"the table of capabilities has no {rate['capability']}"
    return row["status"], "" if row["status"] == "native" else row["detail"]


def _gpu_loop(torch: Any, rate: dict[str, Any], blocks: int) -> GpuLoop:
    launch, stream = native().launch_mma_rate, torch.cuda.current_stream().cuda_stream
    operands = gpu_operands(torch, rate["operand_type"], "cuda")
    out = torch.zeros((blocks, operands.shape[1]), dtype=torch.int32, device="cuda")
    clocks = torch.zeros((blocks, 2), dtype=torch.int64, device="cuda")
    return GpuLoop(
        lambda iterations: launch(rate["name"], operands, out, clocks, iterations=iterations, stream=stream),
        lambda: [tuple(pair) for pair in clocks.tolist()],
        blocks,
    )


def gpu_operands(torch: Any, operand_type: str, device: str) -> Any:
    """int32 [48, 256] of random bits: integers over their full range, floats normal, in the format of the type."""
    words, threads = 48, 256
    generator = torch.Generator(device=device).manual_seed(0)
    if operand_type in ("s8", "s4", "b1"):
        options = {"dtype": torch.int32, "device": device, "generator": generator}
        return torch.randint(-(2**31), 2**31, (words, threads), **options)
    formats = {"f16": torch.float16, "bf16": torch.bfloat16, "tf32": torch.float32, "e4m3": torch.float8_e4m3fn}
    dtype = formats[operand_type]
    values = torch.randn(words, threads * 4 // dtype.itemsize, device=device, generator=generator)
    return values.to(dtype).view(torch.int32)


def _described(rate: dict[str, Any], status: str, cores: int) -> dict[str, Any]:
    named = {key: rate[key] for key in ("name", "operand_type", "accumulator")}
    return {**named, "status": status, "cores": cores, "operations": rate["operations"], "reason": ""}
