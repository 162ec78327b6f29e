"""Profiling as a user meets it: a command to paste, a sweep that goes on without ncu, reports from elsewhere."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ncu_files import Launch, write_report

KERNEL = "imma_s8s8s32_64x64x64_w2x2_s4_sm80"
SWEEP = ("sweep", "--shape", "64x64x64", "--kernel", KERNEL, "--device", "emulated", "--out", "run", "--json")


def immabench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "immabench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)


def test_the_printed_command_is_one_that_a_shell_runs(tmp_path: Path) -> None:
    done = immabench(
        tmp_path, "profile", "--kernel", KERNEL, "--shape", "64x64x64", "--print-command", "--chip", "gh100"
    )
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    assert words[words.index("--nvtx-include") + 1] == "immabench@profile/"
    program = tmp_path / "bin" / "ncu"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nwhile [ "$1" != --export ]; do shift; done\nshift 2\nexec "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(done.stdout, shell=True, check=True, cwd=tmp_path, env={**os.environ, "PATH": path}, timeout=120)
    (launched,) = json.loads((tmp_path / "profile" / "roofline.launches.json").read_text())["launches"]
    assert launched["row_id"].startswith(f"{KERNEL}@gemm_s8_m64_n64_k64_f16")
    assert launched["status"] in ("ok", "error")  # without a GPU it cannot be launched, and says so
    assert launched["status"] == "ok" or "CUDA" in launched["reason"]


def test_a_sweep_without_a_profiler_is_a_sweep(tmp_path: Path) -> None:
    done = immabench(tmp_path, *SWEEP, "--profile", "memory")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, 1), done.stderr
    said = json.loads((tmp_path / "run" / "run.json").read_text())["profile"]
    assert said["status"] in ("unavailable", "skipped")
    assert said["reason"] in done.stderr


def test_a_report_from_elsewhere_joins_the_rows_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("ncu_report", reason="reports are read by ncu-report: pip install 'immabench[profile]'")
    assert immabench(tmp_path, *SWEEP).returncode == 0
    (row,) = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]
    counted = {"sm__inst_executed_pipe_tensor.sum": row["counts"]["mma"]}
    on_gpu = row["row_id"].replace("@emulated", "@cuda")
    write_report(tmp_path / "other.ncu-rep", [Launch({"immabench": ["profile", on_gpu]}, counted)])
    done = immabench(tmp_path, "profile", "--import", "other.ncu-rep", "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["actions"][0]["row_id"] == on_gpu
    assert "Emulated counts against counters" in (tmp_path / "run" / "report.html").read_text()
