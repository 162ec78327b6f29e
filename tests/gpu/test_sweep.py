"""A sweep on a GPU: timed rows of every provider, verified, below the physical peak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from immabench.measure.run_folder import RunFolder


def test_a_sweep_times_every_provider_on_the_gpu(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "immabench", "sweep", "--shape", "1024x1024x1024", "--out", out, "--json"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout)
    assert answer["failed"] == 0
    rows = [row for row in RunFolder.open(out).rows() if row.status == "ok"]
    assert {row.provider for row in rows} >= {"handwritten", "torch"}
    assert {row.device_kind for row in rows} == {"cuda"}
    for row in rows:
        assert row.verified
        assert row.time_us_median is not None
        assert row.time_us_median > 0
        assert row.l2_state in ("rotated", "flushed")
        assert row.timer == "cuda events" or row.timer.startswith("nvbench ")
        assert row.stopped_by
        assert row.counts is None
