"""A sweep loses nothing: not to a crash, not to `kill -9`, not to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SHAPES = [argument for size in range(8, 20) for argument in ("--shape", f"{size}x8x8")]
SLOW = ["sweep", *SHAPES, "--kernel", "slow", "--no-ceilings", "--time-budget", "0.02"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "immabench", *arguments]


def start_and_wait_for_rows(arguments: list[str], out: Path, count: int) -> subprocess.Popen[str]:
    """Start a sweep in a process group of its own and return once `count` rows are on disk."""
    process = subprocess.Popen(
        command(*arguments, "--out", str(out)), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    _wait(lambda: len(_lines(out)) >= count or process.poll() is not None)
    assert process.poll() is None, process.communicate()[1]
    return process


def test_kill_9_loses_at_most_the_row_in_flight(misbehaving: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_and_wait_for_rows(SLOW, out, 3)
    process.kill()
    process.communicate()
    before = _lines(out)
    assert 3 <= len(before) < 12
    _resume(out)
    after = _lines(out)
    assert after[: len(before)] == before
    identities = [json.loads(line)["row_id"] for line in after]
    assert len(identities) == len(set(identities)) == 12
    assert {json.loads(line)["status"] for line in after} == {"ok"}


@pytest.mark.skipif(sys.platform != "linux", reason="the worker follows its parent by a Linux call")
def test_kill_9_leaves_no_worker_behind(misbehaving: str, tmp_path: Path) -> None:
    arguments = ["sweep", "--shape", "8x8x8", "--kernel", "good", "--kernel", "hang", "--no-ceilings"]
    process = start_and_wait_for_rows(arguments, tmp_path / "run", 1)
    (worker,) = _children(process.pid)
    process.kill()
    process.communicate()
    _wait(lambda: not Path(f"/proc/{worker}").exists() or _is_zombie(worker))


def test_ctrl_c_ends_cleanly_and_says_how_to_resume(misbehaving: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_and_wait_for_rows(SLOW, out, 2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"interrupted; continue with: immabench sweep --resume {out}" in stderr
    assert "Traceback" not in stderr
    assert json.loads((out / "run.json").read_text())["finished_utc"] is None
    assert len(_resume(out)) == 12


def test_quick_suite_with_its_report(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["sweep", "quick", "--device", "emulated", "--out", str(out), "--json"]
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=True)
    outcome = json.loads(done.stdout)
    assert (outcome["failed"], outcome["skipped"]) == (0, 0)
    assert outcome["ok"] == outcome["rows"] == 12
    for name in ("run.json", "rows.jsonl", "rows.csv", "summary.md", "report.html"):
        assert (out / name).stat().st_size > 0
    rows = [json.loads(line) for line in _lines(out)]
    assert all(row["counts"]["mma"] + row["counts"]["wgmma"] > 0 for row in rows)
    assert all(row["hazards"] == 0 and row["time_us_median"] is None for row in rows)


def test_torch_rows_on_this_cpu_have_time_and_a_roof(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the torch provider needs torch")
    out = tmp_path / "run"
    arguments = ["sweep", "--shape", "196x256x512", "--device", "cpu", "--out", str(out)]
    subprocess.run(command(*arguments), capture_output=True, check=True)
    rows = [json.loads(line) for line in _lines(out)]
    assert {row["kernel_id"] for row in rows} == {
        "torch_fp32",
        "torch_fp16",
        "torch_bf16",
        "torch_int8",
        "torch_int4",
        "torch_int4_pack",
    }
    for row in rows:
        assert (row["status"], row["verified"], row["l2_state"]) == ("ok", True, "rotated")
        assert row["time_us_median"] > 0
        samples = json.loads((out / "samples" / f"{row['row_id']}.json").read_text())
        assert len(samples) == row["samples"]
    assert json.loads((out / "run.json").read_text())["ceilings"]["cpu"]["int8_tops"] > 0


def _resume(out: Path) -> list[str]:
    done = subprocess.run(
        command("sweep", "--resume", str(out), "--no-ceilings"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return _lines(out)


def _lines(out: Path) -> list[str]:
    """The whole lines of rows.jsonl so far."""
    path = out / "rows.jsonl"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)
