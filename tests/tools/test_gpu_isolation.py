"""What keeps a kernel that hangs from costing more than its test: the hooks of tests/gpu, without a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xdist", reason="tests that outlive their process need pytest-xdist: pip install 'immabench[dev]'")
pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")

CONFTEST = Path(__file__).parents[1] / "gpu" / "conftest.py"
WITHOUT_GPU = """

def missing() -> str:
    return ""

def is_spent() -> bool:
    return os.environ.get("GPU") == "lost"
"""
TESTS = """
import ctypes, os

def test_before(): pass
def test_that_hangs(): ctypes.PyDLL(None).pause()  # holds the interpreter's lock, as a native call may
def test_between(): pass
def test_that_loses_the_gpu(): os.environ["GPU"] = "lost"
def test_after(): assert "GPU" not in os.environ
"""


def test_a_hang_and_a_lost_gpu_cost_their_own_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text() + WITHOUT_GPU)
    (tmp_path / "test_kernels.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: launches\n")
    command = [sys.executable, "-m", "pytest", "-n", "1", "-v", "-p", "no:cacheprovider", "-p", "no:randomly", "."]
    environment = {**os.environ, "IMMABENCH_GPU_TEST_SECONDS": "3"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1, done.stdout + done.stderr
    crashed = set(re.findall(r"crashed while running 'test_kernels.py::(\w+)'", done.stdout))
    assert crashed == {"test_that_hangs", "test_that_loses_the_gpu"}, done.stdout
    passed = set(re.findall(r"PASSED test_kernels.py::(\w+)", done.stdout))
    assert passed >= {"test_before", "test_between", "test_after"}, done.stdout
