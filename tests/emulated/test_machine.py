"""The emulated machine's own tests, case by case, in two builds: optimised, and sanitized with portable fibers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((Path(__file__).parent / "machine").glob("*.cpp"))
CASES = [name for source in SOURCES for name in re.findall(r"^CASE\((\w+)\)", source.read_text(), re.MULTILINE)]
BUILDS = {
    "release": [],
    "sanitized-portable-fibers": [
        "-DIMMABENCH_SANITIZE=address,undefined",
        "-DCMAKE_CXX_FLAGS=-DSIMT_FIBER_UCONTEXT",
        # Optimising what sanitizers have instrumented takes minutes, and these cases are small.
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1",
    ],
}


@pytest.fixture(scope="session", params=BUILDS)
def machine_tests(request: pytest.FixtureRequest) -> Path:
    """The test executable of one build, in build/ so that a second run only builds what changed."""
    folder = ROOT / "build" / f"machine-tests-{request.param}"
    options = ["-DIMMABENCH_CUDA=OFF", "-DIMMABENCH_BINDINGS=OFF", "-DIMMABENCH_TESTS=ON", *BUILDS[request.param]]
    subprocess.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *options], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", folder, "--target", "machine_tests"], check=True, capture_output=True)
    return folder / "tests" / "emulated" / "machine_tests"


def test_every_case_is_collected(machine_tests: Path) -> None:
    listed = subprocess.run([machine_tests, "--list"], check=True, capture_output=True, text=True).stdout.split()
    assert sorted(listed) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
def test_machine(machine_tests: Path, case: str) -> None:
    run = subprocess.run([machine_tests, case], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, f"{run.stdout}{run.stderr}"
