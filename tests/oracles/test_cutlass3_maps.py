"""What CUTLASS' kernels by wgmma tell the driver, here a fake, of their operands, and how many blocks they launch."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from immabench.kernels import cutlass_configs

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = pytest.mark.oracle

PROBLEMS = ("one chunk", "ragged", "batch", "many tiles")
CASES = [f"{config.id} {problem}" for config in cutlass_configs() if config.by_wgmma for problem in PROBLEMS]

MUTANTS = {
    "products of B as far apart as those of A": ("stride_of(g.n)", "stride_of(g.m)", "batch", "the map of B"),
    "rows and columns in each other's place": ("{g.m, g.n, g.k,", "{g.n, g.m, g.k,", "ragged", "the map of A"),
    "more multiprocessors than there are": (
        "sm_count = g.multiprocessors",
        "sm_count = 1000",
        "coop_sm90a many tiles",
        "more blocks than multiprocessors",
    ),
}
"""Planted mistakes in cutlass3_kernel.cuh: what it says, what instead, cases that have to notice, and what of."""

Compare = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def compare(nvcc: Path, kernels_dir: Path, cutlass_include: Path, tmp_path_factory: pytest.TempPathFactory) -> Compare:
    """A function of the folder of kernels/cutlass: case -> "0" and nothing, or disagreements and the first of them."""

    def compared(folder: Path) -> dict[str, str]:
        program = tmp_path_factory.mktemp("cutlass3") / "maps"
        includes = [f"-I{folder.parent}", f"-I{kernels_dir}", "-isystem", cutlass_include]
        # CUTLASS then calls the driver by name, which the program defines.
        flags = ["-std=c++20", "-O0", "-w", "-arch=sm_90a", "--expt-relaxed-constexpr"]
        flags.append("-DCUTLASS_ENABLE_DIRECT_CUDA_DRIVER_CALL")
        source = Path(__file__).parent / "cutlass3_maps.cu"
        subprocess.run([nvcc, *flags, *includes, source, "-o", program], check=True)
        lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
        return dict(line.split("\t", 1) for line in lines)

    return compared


@pytest.fixture(scope="module")
def disagreements(compare: Compare, kernels_dir: Path) -> dict[str, str]:
    return compare(kernels_dir / "cutlass")


def test_every_tile_is_compared(disagreements: dict[str, str]) -> None:
    assert sorted(disagreements) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_tensor_maps_and_grids_are_those_of_the_problem(disagreements: dict[str, str], name: str) -> None:
    assert disagreements[name] == "0\t"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mistake_is_noticed(compare: Compare, kernels_dir: Path, tmp_path: Path, mutant: str) -> None:
    says, instead, noticing, what = MUTANTS[mutant]
    folder = tmp_path / "cutlass"
    shutil.copytree(kernels_dir / "cutlass", folder)
    file = folder / "cutlass3_kernel.cuh"
    text = file.read_text()
    assert text.count(says) == 1
    file.write_text(text.replace(says, instead))
    judged = [result for name, result in compare(folder).items() if noticing in name]
    assert judged
    assert all(result.endswith(f"\t{what}") for result in judged)
