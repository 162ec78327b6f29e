"""Run folders that a test fills row by row, to compare them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immabench.measure.case import Job
from immabench.measure.run_folder import RunFolder
from immabench.problems import Problem

STEADY = [99.0, 100.0, 101.0, 100.0] * 10


@dataclass
class Run:
    """A run folder that a test fills row by row."""

    folder: RunFolder

    @property
    def path(self) -> Path:
        return self.folder.path

    def add(self, m: int, times: list[float] | None = None, status: str = "ok", **values: Any) -> str:
        """Append a row of an m x 8 x 8 problem and its samples; returns its key."""
        device_kind, case = values.pop("device_kind", "cpu"), values.pop("case", f"m{m}")
        job = Job("suite", case, 1, Problem(m, 8, 8), "reference", "reference_numpy", device_kind)
        known = {"backend": "numpy", "device": "EPYC", "l2_state": "rotated"}
        if times is not None:
            known |= {"time_us_median": sorted(times)[len(times) // 2], "samples": len(times)}
            self.folder.write_samples(job.row_id, times)
        self.folder.append(job.row(status, **{**known, **values}))
        return job.row_id


def scaled(factor: float) -> list[float]:
    return [factor * time for time in STEADY]
