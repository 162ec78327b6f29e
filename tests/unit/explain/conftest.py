"""Cases and runs of a made-up H200, as the model of kernel time sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from explained_rows import CEILINGS, DEVICE, make_row

from immabench.explain.case import Case
from immabench.explain.efficiency import measured_roof
from immabench.kernels import KernelConfig, kernel_config
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.predict import Machine, gpu_named, machine_of, predicted
from immabench.problems import Problem


@pytest.fixture(scope="session")
def h200() -> Machine:
    return machine_of(gpu_named(DEVICE))


@pytest.fixture(scope="session")
def planted(h200: Machine) -> Callable[..., Case]:
    """A case of a kernel that takes `slower` times what is predicted of it."""

    def make(
        problem: Problem, kernel: str | KernelConfig | None, slower: float = 1.0, time_us: float = 0.0, **fields: Any
    ) -> Case:
        config = kernel_config(kernel) if isinstance(kernel, str) else kernel
        taken = time_us or slower * predicted(config, problem, h200).time_us  # type: ignore[arg-type]
        row = make_row(problem, config.id if config else "library", taken, **fields)
        roof = measured_roof(CEILINGS, problem)
        assert roof is not None
        return Case(row, problem, taken, "measured", roof, h200, config, CEILINGS)

    return make


@pytest.fixture
def gpu_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run folder of the made-up GPU."""

    def write(rows: list[Row]) -> Path:
        gpu = {
            "name": DEVICE,
            "compute_capability": [9, 0],
            "sm_count": 132,
            "sm_clock_mhz": 1980,
            "l2_bytes": 60 << 20,
        }
        machine = {"cpu": "synthetic", "cores": 2, "memory_bytes": 1 << 30, "os": "synthetic", "gpus": [gpu]}
        meta = {"run_id": "planted", "machine": machine, "ceilings": {"cuda": CEILINGS}}
        folder = RunFolder.create(tmp_path / "run", meta=meta)
        for row in rows:
            folder.append(row)
        return tmp_path / "run"

    return write
