"""pytest-benchmark over the one timer: its statistics are the row's, and a slower kernel fails the gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONE = "torch_int8@gemm_s8_m256_n256_k256_f16_rv_cv@cpu"

pytest.importorskip("torch", reason="benchmarks of kernels on a CPU need torch: pip install 'immabench[models]'")

pytestmark = pytest.mark.alone


def bench(storage: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "bench/bench_kernels.py",
        "-q",
        "-p",
        "no:xdist",
        "-k",
        ONE.split("@")[1],
    ]
    command += ["--benchmark-enable", f"--benchmark-storage=file://{storage}", *options]
    # Where tests run side by side their processes say so, and pytest-benchmark measures nothing then.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=env)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of results and the one file in it."""
    storage = tmp_path_factory.mktemp("storage")
    run = bench(storage, "--benchmark-save=base", f"--benchmark-histogram={storage}/histogram")
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = storage.rglob("*_base.json")
    return storage, path


def test_statistics_and_extra_info_are_the_rows(saved: tuple[Path, Path]) -> None:
    storage, path = saved
    data = json.loads(path.read_text())
    results = {result["extra_info"]["row_id"]: result for result in data["benchmarks"]}
    row = results[ONE]["extra_info"]
    assert results[ONE]["stats"]["median"] * 1e6 == pytest.approx(row["time_us_median"])
    assert results[ONE]["stats"]["rounds"] == row["samples"]
    assert (row["status"], row["verified"], row["m"], row["backend"]) == ("ok", True, 256, "torch-cpu:_int_mm")
    assert row["tops"] > 0
    assert {"cpu", "cores", "gpus", "build"} <= set(data["machine_info"]["immabench"])
    assert list(storage.glob("histogram*.svg"))


def test_a_regression_fails_the_gate(saved: tuple[Path, Path]) -> None:
    """Against a base a hundred times slower than it was, and then a hundred times quicker: no machine is so noisy."""
    storage, path = saved
    gate = ("--benchmark-compare=0001", "--benchmark-compare-fail=median:400%")
    scale_results(path, 100.0)
    assert bench(storage, *gate).returncode == 0
    scale_results(path, 1e-4)
    failed = bench(storage, *gate)
    assert failed.returncode != 0
    assert "Performance has regressed" in failed.stdout + failed.stderr


def scale_results(path: Path, factor: float) -> None:
    """Make every recorded time so much longer."""
    data = json.loads(path.read_text())
    for result in data["benchmarks"]:
        for name in ("min", "max", "mean", "median"):
            result["stats"][name] *= factor
    path.write_text(json.dumps(data))
