"""Profiling on the hardware: from a command to the action of a row, and counters beside what the machine counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from immabench.measure.run_folder import RunFolder
from immabench.profile.actions import read_actions
from immabench.profile.agreement import agreement
from immabench.profile.preflight import preflight

KERNEL = "imma_s8s8s32_64x64x64_w2x2_s4_sm80"


def immabench(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "immabench", *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_row_gets_its_action_and_counters_are_the_emulated_counts(tmp_path: Path) -> None:
    obstacle = preflight().fatal
    if obstacle is not None:
        pytest.skip(str(obstacle))
    run = tmp_path / "run"
    both = ("--device", "emulated", "--device", "cuda")
    immabench("sweep", "--shape", "256x256x256", "--kernel", KERNEL, *both, "--no-ceilings", "--out", str(run))
    immabench("profile", str(run), "--kernel", KERNEL, "--preset", "memory")
    rows, (action,) = RunFolder.open(run).rows(), read_actions(run)
    assert action.row_id in {row.row_id for row in rows if row.device_kind == "cuda"}
    assert action.kernel_id == KERNEL
    assert KERNEL in action.ranges
    assert action.duration_us is not None
    found = agreement(rows, [action])
    assert {"tensor instructions"} <= {one.count for one in found}
    assert [one for one in found if not one.within and one.reason.startswith("none is expected")] == []
