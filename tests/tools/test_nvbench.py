"""The real cuda-bench behind `OpenRun`, on the CPU: what it does with one run, many measurements, errors and files."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from immabench.measure.nvbench_timer import (
    BLOCKING_TIMEOUT_SECONDS,
    DEADLOCK,
    NAME,
    THROTTLE_THRESHOLD,
    WARM_UPS,
    missing_packages,
)

DATA = Path(__file__).parent / "data"
LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1")


def missing() -> str:
    if absent := missing_packages():
        return f"{' and '.join(absent)} not installed; pip install 'immabench[gpu]'"
    if importlib.util.find_spec("cuda.bench") is None:
        return "cuda.bench cannot be found"
    return "" if shutil.which("g++") else "g++ is not on PATH"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `nvbench_without_gpu.py` prints."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("no_driver")
    for name in LIBRARIES:
        source = str(DATA / "nvbench_without_gpu.cpp")
        command = ["g++", "-std=c++17", "-shared", "-fPIC", f"-Wl,-soname,{name}", source, "-o", str(folder / name)]
        subprocess.run(command, check=True, timeout=120)
    script = [sys.executable, str(DATA / "nvbench_without_gpu.py"), *(str(folder / name) for name in LIBRARIES)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_each_batch_has_its_own_samples_and_every_call_is_accounted_for(found: Any) -> None:
    two_ms, four_ms, _ = found["batches"]
    assert [len(batch["times_us"]) for batch in (two_ms, four_ms)] == [5, 7]
    assert [batch["calls"] for batch in (two_ms, four_ms)] == [5 + WARM_UPS, 7 + WARM_UPS]
    assert [batch["discarded"] for batch in (two_ms, four_ms)] == [0, 0]
    # A sleep is never shorter than asked for: so these are microseconds, and of this batch.
    assert min(two_ms["times_us"]) >= 2000
    assert min(four_ms["times_us"]) >= 4000


def test_a_batch_ends_with_its_time(found: Any) -> None:
    batch = found["batches"][2]
    assert 1 <= len(batch["times_us"]) <= 6  # 0.1 s of at least 20 ms each, and the one that crosses the limit
    assert batch["calls"] == len(batch["times_us"]) + WARM_UPS


def test_an_error_of_the_launch_comes_back_and_the_run_goes_on(found: Any) -> None:
    assert found["error"] == "no luck"
    assert found["after"] == 2


def test_a_process_has_one_run_only(found: Any) -> None:
    """The reason for `OpenRun`. When this fails, cuda-bench can run again, and the thread can go."""
    assert "already executed" in found["again"]


def test_the_run_is_configured_as_meant(found: Any) -> None:
    assert found["configured"] == {
        "criterion": "sample-count",
        "min_samples": 2,
        "warm_ups": WARM_UPS,
        "throttle_threshold": pytest.approx(THROTTLE_THRESHOLD),
        "blocking_timeout": BLOCKING_TIMEOUT_SECONDS,
        "blocking": True,
        "name": NAME,
    }
    assert found["timed_by"] == f"nvbench {metadata.version('cuda-bench')}"


def test_a_deadlock_is_told_in_the_words_we_look_for() -> None:
    if reason := missing():
        pytest.skip(reason)
    spec = importlib.util.find_spec("cuda.bench")
    assert spec is not None
    assert spec.origin is not None
    libraries = list(Path(spec.origin).parent.glob("cu*/nvbench/lib/libnvbench.so"))
    assert libraries
    assert all(DEADLOCK.encode() in library.read_bytes() for library in libraries)


def test_nothing_is_left_behind(found: Any) -> None:
    assert (found["left"], found["ended"]) == (False, True)
