"""Runs as a GPU would have left them. Every figure is synthetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from immabench.measure.case import Job
from immabench.measure.plan import Selection
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.problems import Problem

KERNEL, OTHER = "imma_s8s8s32_64x64x128_w2x2_s3_sm80", "imma_s8s8s32_128x128x64_w2x4_s3_sm80"
PROBLEM = Problem(64, 64, 128, output_type="f16", row_scale="vector", col_scale="vector", bias=True)
SHAPE = "64x64x128"
GPU = {"name": "synthetic GPU", "compute_capability": [9, 0]}


def job(kernel: str = KERNEL, provider: str = "handwritten", device: str = "cuda", **values: Any) -> Job:
    case = values.pop("case", SHAPE)
    return replace(Job("shapes", case, 1, PROBLEM, provider, kernel, device), **values)


def timed(one: Job, time_us: float, **values: Any) -> Row:
    return one.row("ok", time_us_median=time_us, samples=3, device="synthetic GPU", l2_state="rotated", **values)


def reference_job(**values: Any) -> Job:
    """One that any machine can launch: by numpy, on the CPU."""
    return job("reference_numpy", "reference", "cpu", **values)


def write_run(path: Path, rows: list[Row]) -> RunFolder:
    selection = Selection(shapes=(SHAPE,)).as_dict()
    machine = {"cpu": "synthetic", "cores": 2, "memory_bytes": 1, "os": "synthetic", "gpus": [GPU]}
    known = {
        "argv": [],
        "started_utc": rows[0].started_utc if rows else "",
        "finished_utc": "",
        "git": {},
        "versions": {},
    }
    meta = {**known, "machine": machine, "seed": 0, "suite": "shapes", "selection": selection, "ceilings": None}
    folder = RunFolder.create(path, meta=meta)
    for row in rows:
        folder.append(row)
    return folder
