"""What CUTLASS' kernels by mma.sync fetch and where results go: its own iterators and epilogue, on the CPU."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from immabench.kernels import convolves, cutlass_configs

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = pytest.mark.oracle

GEMMS, CONVOLUTIONS = ("one chunk", "ragged", "batch"), ("pointwise", "padded", "uneven")
CASES = [
    f"{config.id} {case}"
    for config in cutlass_configs()
    if not config.by_wgmma
    for case in (CONVOLUTIONS if convolves(config) else GEMMS)
]

MUTANTS = {
    "strides swapped": ("cutlass_types.cuh", "c.stride_height,", "c.stride_width,", "conv", "uneven"),
    "convolution, not correlation": (
        "cutlass_types.cuh",
        "Mode::kCrossCorrelation",
        "Mode::kConvolution",
        "conv",
        "padded",
    ),
    "products of a batch apart": ("cutlass_types.cuh", "tile.k(), columns)", "0, columns)", "s4", "batch"),
    "steps of another height": ("output_visitor.cuh", "step * ThreadMap::Shape::kRow", "step * 4", "s8", "ragged"),
}
"""Planted mistakes: the file, what it says, what instead, and a case that has to notice."""

Compare = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def compare(
    kernels_dir: Path, cutlass_include: Path, cuda_include: Path, tmp_path_factory: pytest.TempPathFactory
) -> Compare:
    """A function of the folder of kernels/cutlass: case -> "0" and nothing, or wrong results and the first of them."""

    def compared(folder: Path) -> dict[str, str]:
        program = tmp_path_factory.mktemp("cutlass") / "accesses"
        headers = [cutlass_include, cuda_include, cuda_include / "cccl"]
        includes = [f"-I{folder.parent}", f"-I{kernels_dir}"]
        includes += [word for header in headers for word in ("-isystem", str(header))]
        source = Path(__file__).parent / "cutlass_accesses.cpp"
        # -fpermissive: CUTLASS' headers reuse names in ways that nvcc's front end lets pass.
        flags = ["-std=c++20", "-O1", "-w", "-fpermissive", "-pthread"]
        subprocess.run(["g++", *flags, *includes, source, "-o", program], check=True)
        lines = subprocess.run([program], capture_output=True, text=True, check=False).stdout.splitlines()
        return dict(line.split("\t", 1) for line in lines)

    return compared


@pytest.fixture(scope="module")
def disagreements(compare: Compare, kernels_dir: Path) -> dict[str, str]:
    return compare(kernels_dir / "cutlass")


def test_every_tile_is_compared(disagreements: dict[str, str]) -> None:
    assert sorted(disagreements) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_operands_and_outputs_are_those_of_the_definition(disagreements: dict[str, str], name: str) -> None:
    assert disagreements[name] == "0\t"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mistake_is_noticed(compare: Compare, kernels_dir: Path, tmp_path: Path, mutant: str) -> None:
    file, says, instead, types, case = MUTANTS[mutant]
    folder = tmp_path / "cutlass"
    shutil.copytree(kernels_dir / "cutlass", folder)
    text = (folder / file).read_text()
    assert text.count(says) == 1
    (folder / file).write_text(text.replace(says, instead))
    found = compare(folder)
    judged = [result for name, result in found.items() if types in name and case in name]
    crashed = len(found) < len(CASES)
    assert crashed or (judged and "0\t" not in judged), judged
