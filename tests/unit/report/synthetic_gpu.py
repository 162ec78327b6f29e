"""A made-up run on a made-up GPU for the report's tests: no number here was measured, and its device says so.

It has what a real GPU run would: several providers and precisions, many tiles, sweeps over M with a cliff planted at
M = 17, ceilings of instructions, DRAM and L2.
"""

from __future__ import annotations

import random
from math import ceil, prod
from typing import Any

from immabench.measure.roof import roof_tops
from immabench.measure.rows import Row
from immabench.problems import Problem
from immabench.profile.actions import SECTOR_BYTES, Action
from immabench.row_ids import RowId

DEVICE = "synthetic GPU"
STARTED = "2026-01-02T03:04:05Z"
CLIFF_M, CLIFF_FACTOR = 17, 1.6
"""Above 16 rows the hand-written kernel is planted to take so many times as long."""
DECODE_M = (1, 2, 4, 8, 16, 17, 32, 64)
WEIGHTS = ((4096, 4096), (12288, 4096), (4096, 11008))
SQUARES = (256, 512, 1024, 2048, 8192)
TILES = ((64, 64), (128, 64), (128, 128), (256, 128))
OTHERS = (("cublaslt", "s8", 0.7), ("cutlass", "s8", 0.6), ("torch", "f16", 0.65), ("torch", "f32", 0.6))
W4A16 = {"b_type": "s4", "b_group": 128, "b_scale": "float"}


GPU = {
    "name": DEVICE,
    "compute_capability": [8, 0],
    "sm_count": 100,
    "sm_clock_mhz": 1500,
    "l2_bytes": 40 << 20,
    "memory_bytes": 40 << 30,
}


def _instruction(operand_type: str, rate: float | None, status: str = "native") -> dict[str, Any]:
    return {
        "name": f"invented {operand_type}",
        "operand_type": operand_type,
        "accumulator": "s32" if operand_type in ("s8", "s4") else "f32",
        "status": status,
        "cores": 100,
        "rate": rate,
        "per_clock_per_core": None,
        "clock_mhz": None,
        "reason": "",
    }


CEILINGS: dict[str, Any] = {
    "device": "cuda",
    "device_name": DEVICE,
    "threads": 2,
    "fp32_tflops": 17.0,
    "fp16_tflops": 250.0,
    "int8_tops": 480.0,
    "copy_gbps": 1700.0,
    "read_gbps": 1800.0,
    "cache_read_gbps": 5200.0,
    "cache_gbps": 4100.0,
    "noisy": [],
    "method": "invented for tests",
    "measured_utc": STARTED,
    "sizes": [],
    "instructions": [
        _instruction("s4", 1190.0),
        _instruction("s8", 598.0),
        _instruction("e4m3", None, "absent"),
        _instruction("f16", 301.0),
        _instruction("bf16", 299.0),
    ],
}


def meta(run_id: str = "synthetic-gpu") -> dict[str, Any]:
    return {
        "run_id": run_id,
        "argv": ["immabench", "sweep", "synthetic-gpu", "--out", "a folder"],
        "started_utc": STARTED,
        "finished_utc": STARTED,
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "versions": {"immabench": "0.1.0", "python": "3.11", "torch": "synthetic"},
        "machine": {"cpu": "synthetic CPU", "cores": 2, "memory_bytes": 8 << 30, "os": "synthetic", "gpus": [GPU]},
        "seed": 7,
        "suite": "synthetic-gpu",
        "ceilings": {"cuda": CEILINGS},
    }


def rows() -> list[Row]:
    """Every case by every provider: tiles of our own, one kernel of each other."""
    decode = [("decode", m, n, k) for n, k in WEIGHTS for m in DECODE_M]
    cases = [*decode, *(("square", size, size, size) for size in SQUARES)]
    found = []
    for case in cases:
        for tile in TILES:
            found += [row_of(case, "handwritten", "s8", _efficiency(case, tile), _kernel(tile, "imma_s8s8s32"))]
        found += [row_of(case, "handwritten", "bf16", _efficiency(case, (64, 64)), _kernel((64, 64), "imma_bf16s4"))]
        found += [row_of(case, "handwritten", "s4", _efficiency(case, (128, 128)), _kernel((128, 128), "imma_s4s4s32"))]
        found += [row_of(case, provider, kind, part) for provider, kind, part in OTHERS]
    return found


def traffic(of: list[Row]) -> dict[str, tuple[float, float]]:
    """Invented bytes of DRAM and L2 of some rows, as a profiler would count them."""
    operations = {row.row_id: 2.0 * prod(row.sizes) / row.flops_per_byte for row in of if row.provider == "handwritten"}
    return {name: (1.2 * moved, 5.0 * moved) for name, moved in list(operations.items())[::7]}


def actions(of: list[Row]) -> list[Action]:
    """Launches that a profiler would have counted that traffic in."""
    ids = {row.row_id: row.kernel_id for row in of}
    return [
        Action(
            row_id=row_id,
            kernel_id=ids[row_id],
            report="synthetic",
            function="synthetic",
            metrics={
                "dram_read": dram,
                "dram_write": 0.0,
                "l2_read_sectors": l2 / SECTOR_BYTES,
                "l2_write_sectors": 0.0,
            },
        )
        for row_id, (dram, l2) in traffic(of).items()
    ]


def row_of(case: tuple[str, int, int, int], provider: str, kind: str, efficiency: float, kernel: str = "") -> Row:
    """One timed row; a weight-only product where a hand-written kernel computes bf16."""
    name, m, n, k = case
    mixed = W4A16 if (provider, kind) == ("handwritten", "bf16") else {"b_type": kind}
    asked = Problem(m, n, k, "s8", "s8", "f16", "vector", "vector")
    problem = Problem(m, n, k, kind, output_type="f32" if kind == "f32" else "f16", **mixed)  # type: ignore[arg-type]
    roof = roof_tops(CEILINGS, kind, problem.operations_per_byte)
    assert roof is not None
    noise = random.Random(f"{case}{provider}{kind}{kernel}").uniform(0.93, 1.07)
    time = 2.0 + problem.operations / (roof * efficiency * noise) / 1e6
    tops = problem.operations / time / 1e6
    kernel_id = kernel or f"{provider}_{kind}"
    return Row(
        row_id=str(RowId(kernel_id, asked.key, "cuda")),
        suite=f"synthetic-{name}",
        case=name,
        provider=provider,
        kernel_id=kernel_id,
        backend="synthetic",
        device=DEVICE,
        device_kind="cuda",
        time_us_median=time,
        time_us_iqr=0.02 * time,
        samples=3,
        tops=tops,
        gbps=problem.bytes_moved / time / 1e3,
        flops_per_byte=problem.operations_per_byte,
        pct_roof=100 * tops / roof,
        l2_state="rotated",
        timed_by="invented",
        status="ok",
        verified=True,
        started_utc=STARTED,
        seed=7,
        **problem.as_dict(),
        asked=problem.differing(asked),
    )


def _kernel(tile: tuple[int, int], family: str) -> str:
    return f"{family}_{tile[0]}x{tile[1]}x64_w2x2_s3_sm80"


def _efficiency(case: tuple[str, int, int, int], tile: tuple[int, int]) -> float:
    """What quantization of tiles leaves of 80 %, less the planted cliff."""
    _, m, n, _ = case
    filled = m * n / (ceil(m / tile[0]) * tile[0] * ceil(n / tile[1]) * tile[1])
    lost = CLIFF_FACTOR if m == CLIFF_M else 1.0
    return 0.8 * filled**0.15 / lost
