"""Where results of CUTLASS' kernels by wgmma go, and what they become: the epilogue on the emulated machine, with sums
where CuTe's layouts of CUTLASS' MMA have them, against our kernel by mma.sync.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from immabench.kernels import cutlass_configs

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = pytest.mark.oracle

KINDS = ("sums", "f32", "f16", "bf16", "ragged", "everything", "batch")
CASES = [f"{config.id} {kind}" for config in cutlass_configs() if config.by_wgmma for kind in KINDS]

MUTANTS = {
    "consumers at the same rows": ("+ thread / kWarpgroupThreads) *", ") *", "coop"),
    "consumers in the same boxes": ("consumer * 2 * kBoxBytes", "0", "_w2_"),
    "products at the same rows": ("product * p_.epilogue.m + row", "row", "batch"),
    "registers of the first group alone": ("sums(group * kSums + i)", "sums(i)", "128x128x128_w2_c2x1_s6_pingpong"),
}
"""Planted mistakes in cutlass3_epilogue.cuh: what it says, what instead, and cases that have to notice."""

Compare = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def machine(kernels_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The objects of the emulated machine."""
    folder = tmp_path_factory.mktemp("machine")
    sources = sorted((kernels_dir / "simt" / "host").glob("*.cpp"))
    subprocess.run(["g++", "-std=c++20", "-O1", "-w", f"-I{kernels_dir}", "-c", *sources], cwd=folder, check=True)
    return sorted(folder.glob("*.o"))


@pytest.fixture(scope="module")
def compare(
    kernels_dir: Path,
    cutlass_include: Path,
    cuda_include: Path,
    machine: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Compare:
    """A function of the folder of kernels/cutlass: case -> "0" and nothing, or wrong bytes, hazards and the first."""

    def compared(folder: Path) -> dict[str, str]:
        program = tmp_path_factory.mktemp("cutlass3") / "epilogue"
        headers = [cutlass_include, cuda_include, cuda_include / "cccl"]
        includes = [f"-I{folder.parent}", f"-I{kernels_dir}"]
        includes += [word for header in headers for word in ("-isystem", str(header))]
        source = Path(__file__).parent / "cutlass3_epilogue.cpp"
        # -fpermissive: CUTLASS' headers reuse names in ways that nvcc's front end lets pass.
        flags = ["-std=c++20", "-O1", "-w", "-fpermissive", "-pthread", "-DIMMABENCH_SHARD=0", "-DIMMABENCH_SHARDS=1"]
        subprocess.run(["g++", *flags, *includes, source, *machine, "-o", program], check=True)
        lines = subprocess.run([program], capture_output=True, text=True, check=False).stdout.splitlines()
        return dict(line.split("\t", 1) for line in lines)

    return compared


@pytest.fixture(scope="module")
def disagreements(compare: Compare, kernels_dir: Path) -> dict[str, str]:
    return compare(kernels_dir / "cutlass")


def test_every_tile_is_compared(disagreements: dict[str, str]) -> None:
    assert sorted(disagreements) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_our_kernel(disagreements: dict[str, str], name: str) -> None:
    assert disagreements[name] == "0\t"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mistake_is_noticed(compare: Compare, kernels_dir: Path, tmp_path: Path, mutant: str) -> None:
    says, instead, noticing = MUTANTS[mutant]
    folder = tmp_path / "cutlass"
    shutil.copytree(kernels_dir / "cutlass", folder)
    file = folder / "cutlass3_epilogue.cuh"
    text = file.read_text()
    assert text.count(says) == 1
    file.write_text(text.replace(says, instead))
    found = compare(folder)
    judged = [result for name, result in found.items() if noticing in name]
    crashed = len(found) < len(CASES)
    assert crashed or (judged and "0\t" not in judged), judged
