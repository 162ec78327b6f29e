"""A made-up run for the report's tests. No number here was measured; the machine is called synthetic everywhere."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from immabench.measure.roof import roof_tops
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.measure.timer import interquartile_range, median_noise
from immabench.problems import Problem
from immabench.row_ids import RowId

MACHINE = "synthetic CPU"
STARTED = "2026-01-02T03:04:05Z"
KERNELS = [
    ("imma_s8s8s32_64x64x64_w2x2_s3_sm80", 64, 64, 64),
    ("imma_s8s8s32_128x128x64_w2x4_s3_sm80", 128, 128, 64),
    ("imma_s8s8s32_256x128x64_w4x2_s3_sm80", 256, 128, 64),
]
CASES = [
    ("b1/conv1", 3136, 64, 160, 1),
    ("b1/layer1", 784, 64, 576, 4),
    ("b1/layer2", 196, 128, 1152, 3),
    ("b1/layer3", 49, 256, 2304, 3),
    ("b8/layer1", 6272, 64, 576, 4),
    ("b8/layer2", 1568, 128, 1152, 3),
]
CEILINGS: dict[str, Any] = {
    "device": "cpu",
    "device_name": MACHINE,
    "threads": 2,
    "fp32_tflops": 0.2,
    "bf16_tflops": 0.42,
    "fp16_tflops": 0.02,
    "int8_tops": 0.86,
    "copy_gbps": 33.0,
    "noisy": [],
    "method": "invented for tests",
    "measured_utc": STARTED,
    "sizes": [
        {
            "what": "fp32_tflops",
            "size": 1024,
            "median_us": 1e4,
            "best_us": 9e3,
            "worst_us": 2e4,
            "samples": 9,
            "rate": 0.2,
            "unit": "1e12 operations/s",
        },
        {
            "what": "copy_gbps",
            "size": 1 << 27,
            "median_us": 8e3,
            "best_us": 8e3,
            "worst_us": 9e3,
            "samples": 9,
            "rate": 33.0,
            "unit": "1e9 bytes/s",
        },
    ],
}
WITH_INSTRUCTIONS: dict[str, Any] = {
    **CEILINGS,
    "read_gbps": 50.0,
    "instructions": [
        {
            "name": name,
            "operand_type": "s8",
            "accumulator": "s32",
            "status": status,
            "cores": 2,
            "rate": rate,
            "per_clock_per_core": None if rate is None else 128.0,
            "clock_mhz": None if rate is None else 4687.5,
            "reason": reason,
        }
        for name, status, rate, reason in (
            ("invented dot", "native", 1.2, ""),
            ("invented routine", "emulated", 3.0, "2 CALLs"),
            ("invented tiles", "absent", None, "this CPU or system has no amx_int8"),
        )
    ],
}
"""Ceilings as they are measured now; CEILINGS are those of an older run."""
EFFICIENCY = {"f32": 0.7, "bf16": 0.55, "s8": 0.45}
KERNEL_OF = {"f32": "torch_fp32", "bf16": "torch_bf16", "s8": "torch_int8"}


def write_run(path: Path, timed: bool = True, emulated: bool = True, failures: bool = True) -> RunFolder:
    """A run folder with the asked kinds of rows, consistent enough that every derived number verifies."""
    folder = RunFolder.create(path, meta=meta(path.name))
    for case in CASES if timed else []:
        for kind in EFFICIENCY:
            _append_timed(folder, case, kind)
    for case in CASES if emulated else []:
        for kernel in KERNELS:
            folder.append(emulated_row(case, kernel))
    for row in failed_rows() if failures else []:
        folder.append(row)
    return folder


def meta(run_id: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "argv": ["immabench", "sweep", "synthetic-net", "--out", "a folder"],
        "started_utc": STARTED,
        "finished_utc": STARTED,
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "versions": {"immabench": "0.1.0", "python": "3.11", "torch": "synthetic"},
        "machine": {"cpu": MACHINE, "cores": 2, "memory_bytes": 8 << 30, "os": "synthetic", "gpus": []},
        "seed": 7,
        "suite": "synthetic-net",
        "ceilings": CEILINGS,
    }


def _append_timed(folder: RunFolder, case: tuple[str, int, int, int, int], kind: str) -> None:
    row, times = timed_row(case, kind)
    folder.append(row)
    folder.write_samples(row.row_id, times)


def timed_row(case: tuple[str, int, int, int, int], kind: str) -> tuple[Row, list[float]]:
    """A timed torch row and the samples its median comes from."""
    name, m, n, k, calls = case
    problem = Problem(m, n, k, kind, kind, "f32" if kind == "f32" else "f16", "vector", "vector")
    roof = roof_tops(CEILINGS, kind, problem.operations_per_byte)
    assert roof is not None
    noise = random.Random(f"{name}{kind}").uniform(0.5, 1.3)
    time = problem.operations / (roof * EFFICIENCY[kind] * noise) / 1e6
    tops = problem.operations / time / 1e6
    times = [time, 0.98 * time, 1.02 * time]
    row = _row(
        problem,
        provider="torch",
        kernel_id=KERNEL_OF[kind],
        backend=f"torch-cpu:{kind}",
        case=name,
        calls=calls,
        device_kind="cpu",
        status="ok",
        verified=True,
        time_us_median=time,
        time_us_iqr=interquartile_range(times),
        samples=3,
        tops=tops,
        gbps=problem.bytes_moved / time / 1e3,
        pct_roof=100 * tops / roof,
        l2_state="rotated",
        timed_by="wall clock",
        stopped_by="seconds",
        pct_noise=100 * median_noise(times),
    )
    return row, times


def emulated_row(case: tuple[str, int, int, int, int], kernel: tuple[str, int, int, int]) -> Row:
    """An emulated row with counts of a plausible size."""
    name, m, n, k, calls = case
    kernel_id, bm, bn, bk = kernel
    blocks = -(-m // bm) * -(-n // bn)
    steps = -(-k // bk)
    loads = blocks * steps * (bm + bn) * bk
    problem = Problem(m, n, k, "s8", "s8", "f16", "vector", "vector")
    counts = {
        "mma": blocks * steps * (bm // 16) * (bn // 8) * (bk // 32),
        "barriers": blocks * (steps + 2),
        "ldmatrix": _shared(loads * 2),
        "shared_load": _shared(0),
        "shared_store": _shared(0),
        "global_load": _global(4096),
        "global_store": _global(2 * m * n),
        "async_copy": {**_global(loads), "wavefronts": loads // 128, "ideal_wavefronts": loads // 128},
        "lines": [
            _line("parts/tile_load.cuh", 41, "async_copy", loads, "sectors", 32),
            _line("parts/fragment_load.cuh", 27, "ldmatrix", loads * 2, "wavefronts", 128),
            _line("parts/epilogue.cuh", 63, "global_store", 2 * m * n, "sectors", 32),
        ],
    }
    return _row(
        problem,
        provider="handwritten",
        kernel_id=kernel_id,
        backend="emulated:host-simt",
        case=name,
        calls=calls,
        device_kind="emulated",
        status="ok",
        verified=True,
        counts=counts,
        hazards=0,
    )


def _shared(nbytes: int) -> dict[str, int]:
    return {"requests": nbytes // 512, "bytes": nbytes, "wavefronts": nbytes // 128, "ideal": nbytes // 128}


def _global(nbytes: int) -> dict[str, int]:
    return {"requests": nbytes // 512, "bytes": nbytes, "sectors": nbytes // 32, "ideal": nbytes // 32}


def _line(file: str, line: int, operation: str, nbytes: int, unit: str, size: int) -> dict[str, Any]:
    units = nbytes // size
    place = {"file": f"/somewhere/kernels/{file}", "line": line, "operation": operation, "unit": unit}
    return {**place, "requests": nbytes // 512, "bytes": nbytes, "units": units, "ideal": units}


def failed_rows() -> list[Row]:
    """One row of each way to fail, and two skips with one reason."""
    problem = Problem(17, 33, 65)
    common: dict[str, Any] = {"provider": "handwritten", "device_kind": "emulated"}
    failed = [("incorrect", "3 of 561 elements differ, first at (0, 1)"), ("crashed", "the worker died with signal 11")]
    rows = [
        _row(problem, kernel_id=f"k{n}", case=f"odd{n}", status=status, reason=reason, **common)
        for n, (status, reason) in enumerate(failed)
    ]
    skipped = {"status": "skipped", "reason": "<no> 16-byte alignment & K=65"}
    return rows + [_row(problem, kernel_id=KERNELS[n][0], case="odd", **skipped, **common) for n in range(2)]


def _row(problem: Problem, **fields: Any) -> Row:
    return Row(
        row_id=str(RowId(fields["kernel_id"], problem.key, fields["device_kind"])),
        suite="synthetic-net",
        device=MACHINE,
        flops_per_byte=problem.operations_per_byte,
        started_utc=STARTED,
        seed=7,
        **problem.as_dict(),
        asked={},
        **fields,
    )
