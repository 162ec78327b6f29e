"""Two real sweeps of one shape, compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def immabench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "immabench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_two_sweeps_of_one_shape(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("a", "b")]
    for run in runs:
        done = immabench(
            *("sweep", "--shape", "64x64x64", "--provider", "reference", "--provider", "handwritten"),
            *("--device", "cpu", "--device", "emulated", "--no-ceilings", "--out", str(run)),
        )
        assert done.returncode == 0, done.stderr
    # How close two runs are depends on what else the machine does; which rows get a verdict does not.
    done = immabench("compare", *map(str, runs), "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    (row,) = data["verdicts"]
    assert row["key"] == "reference_numpy@gemm_s8_m64_n64_k64_f16_rv_cv_b@cpu"
    assert row["interval"][0] <= row["ratio"] <= row["interval"][1]
    assert {left["reason"] for left in data["not_compared"]} == {"has counts and no time"}
    assert data["only_in_a"] == data["only_in_b"] == []
    table = immabench("compare", *map(str, runs))
    assert table.returncode == 0
    assert "1 rows: " in table.stdout
