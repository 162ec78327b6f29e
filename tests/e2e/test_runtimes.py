"""Whole models as a user runs them: each cell in a process of its own, and one that dies costs its point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("sklearn", reason="the digits are scikit-learn's: pip install 'immabench[models]'")

pytestmark = pytest.mark.slow

# One thread: where cores are shared, threads that wait for each other take a hundred times as long.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
QUICK = ("--limit", "50", "--batch", "1,2", "--seconds", "0.05")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "immabench", *arguments]


def immabench(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, env=ONE_THREAD, **options)


def test_three_runtimes_agree(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")
    options = ("--runtime", "torch,immabench,onnxruntime", "--precision", "fp32,int8", "--out", str(tmp_path / "run"))
    done = immabench("e2e", *options, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    found = {(row["runtime"], row["precision"], row["batch"]): row for row in rows}
    assert {key for key, row in found.items() if row["status"] == "ok"} == {
        (runtime, precision, batch)
        for runtime, precision in (
            ("torch", "fp32"),
            ("onnxruntime", "fp32"),
            ("onnxruntime", "int8"),
            ("immabench", "int8"),
        )
        for batch in (1, 2)
    }
    ok = [row for row in rows if row["status"] == "ok"]
    assert all(not row["distinguishable"] for row in ok), "digits are easy: codes cost nothing that 50 samples show"
    assert {row["threads"] for row in ok} == {found["torch", "fp32", 1]["threads"]}
    assert all(row["memory_bytes"] > 0 for row in ok)
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_killed_process_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    options = ("--precision", "fp32,bf16", "--out", str(tmp_path / "run"), "--limit", "50", "--batch", "1")
    running = subprocess.Popen(
        command("e2e", *options, "--seconds", "3", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ONE_THREAD,
    )
    os.kill(_child(running.pid), signal.SIGKILL)
    out, _ = running.communicate(timeout=300)
    assert running.returncode == 1
    statuses = [(row["precision"], row["status"], row["reason"]) for row in json.loads(out)["rows"]]
    assert statuses == [("fp32", "crashed", "the worker was killed by SIGKILL"), ("bf16", "ok", "")]
    again = immabench("e2e", *options, "--seconds", "0.05", "--resume", "--json")
    assert again.returncode == 0, again.stderr


def test_dispatch_prints_json_and_nothing_else() -> None:
    done = immabench("dispatch", "--seconds", "0.05", "--json")
    assert done.returncode == 0, done.stderr
    layers = json.loads(done.stdout)["layers"]
    assert {"conv1", "layer4.1.conv2", "avgpool", "fc"} <= {layer["name"] for layer in layers}


def _child(parent: int, seconds: float = 120.0) -> int:
    """The first process that a process starts."""
    end = time.monotonic() + seconds
    path = Path(f"/proc/{parent}/task/{parent}/children")
    while time.monotonic() < end:
        for child in path.read_text().split():
            if b"immabench.e2e.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        time.sleep(0.02)
    raise AssertionError("no cell was started")
