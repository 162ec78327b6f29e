"""Occupancy against NVIDIA's own calculator, cuda_occupancy.h, which needs no GPU."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import cuda_tools
import pytest

from immabench.errors import MissingHardwareError
from immabench.profile import load_sass_facts
from immabench.profile.occupancy import LIMITS, limits, occupancy

SOURCE = Path(__file__).parent / "data" / "occupancy.cpp"


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nvcc = cuda_tools.find("nvcc")
    header = cuda_tools.toolkit_root(nvcc) / "include" / "cuda_occupancy.h" if nvcc else None
    if header is None or not header.is_file():
        pytest.skip("no cuda_occupancy.h: install a CUDA toolkit or pip install 'immabench[cuda]'")
    program = tmp_path_factory.mktemp("occupancy") / "calculator"
    subprocess.run(["g++", "-std=c++17", "-w", f"-I{header.parent}", SOURCE, "-o", program], check=True)
    return program


@pytest.mark.parametrize("arch", sorted(LIMITS))
def test_agrees_with_nvidias_calculator(calculator: Path, arch: str) -> None:
    of = LIMITS[arch]
    registers = (16, 24, 32, 33, 40, 64, 72, 96, 128, 154, 168, 200, 240, 255)
    shared = (0, 1, 1024, 8192, 12288, 40960, 49152, 65536, 98304, of.shared_bytes_per_block)
    cases = [
        case
        for case in itertools.product(registers, (32, 64, 96, 128, 160, 256, 384, 512, 1024), shared)
        if case[0] * case[1] <= 65536 and case[2] <= of.shared_bytes_per_block
    ]
    theirs = calculated(calculator, [(arch, *case) for case in cases])
    ours = [occupancy(arch, registers=r, threads=t, shared_bytes=s).blocks_per_sm for r, t, s in cases]
    assert [case for case in zip(cases, ours, theirs, strict=True) if case[1] != case[2]] == []


def calculated(calculator: Path, cases: list[tuple[str, int, int, int]]) -> list[int]:
    """Blocks a multiprocessor by NVIDIA's calculator, of (architecture, registers, threads, shared bytes)."""
    lines = []
    for arch, registers, threads, shared_bytes in cases:
        of = limits(arch)
        number = arch[3:].rstrip("a")
        machine = f"{of.shared_bytes} {of.shared_bytes_per_block} {of.warps * 32}"
        lines.append(f"{number} {registers} {threads} {shared_bytes} {machine}")
    done = subprocess.run([calculator], input="\n".join(lines), capture_output=True, text=True, check=True)
    return [int(blocks) for blocks in done.stdout.split()]


def test_every_compiled_kernel_has_the_occupancy_of_nvidias_calculator(calculator: Path) -> None:
    try:
        facts = load_sass_facts()["kernels"]
    except MissingHardwareError as error:
        pytest.skip(str(error))
    cases = [
        (
            fact["arch"],
            fact["registers"],
            fact["threads"],
            fact["static_shared_bytes"] + fact["dynamic_shared_bytes"],
        )
        for fact in facts
    ]
    ours = [fact["occupancy"]["blocks_per_sm"] for fact in facts]
    theirs = calculated(calculator, cases)
    wrong = [(fact["kernel_id"], mine, its) for fact, mine, its in zip(facts, ours, theirs, strict=True) if mine != its]
    assert wrong == []
    assert min(ours) > 0


def test_names_the_resource_that_limits() -> None:
    assert occupancy("sm_80", registers=255, threads=256, shared_bytes=1024).limited_by == "registers"
    assert occupancy("sm_80", registers=32, threads=256, shared_bytes=100 * 1024).limited_by == "shared memory"
    assert occupancy("sm_80", registers=16, threads=1024, shared_bytes=0).limited_by == "threads"
    assert occupancy("sm_80", registers=16, threads=32, shared_bytes=0).limited_by == "blocks"


def test_a_block_that_does_not_fit_has_no_occupancy() -> None:
    assert occupancy("sm_86", registers=64, threads=128, shared_bytes=120 * 1024).blocks_per_sm == 0


def test_suffixes_change_no_limit() -> None:
    block = {"registers": 128, "threads": 256, "shared_bytes": 65536}
    assert occupancy("sm_90a", **block) == occupancy("sm_90", **block)
