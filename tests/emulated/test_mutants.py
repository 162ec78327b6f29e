"""Mutation tests of the real kernel: each classic mistake, put into its source, must be noticed by the machine.

Some mistakes leave every output right (a race that happens to go well, an access just past an operand, a bank
conflict); those are the ones a comparison of results cannot find.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "kernels"


@dataclass(frozen=True)
class Mutant:
    """One edit of one file, and what has to come of it in every warp order: a hazard, wrong results, or conflicts."""

    name: str
    file: str
    old: str
    new: str
    hazard: str = ""
    wrong: bool = False
    conflicts: str = ""


MUTANTS = [
    Mutant(
        "no barrier once a stage has landed",
        "gemm/imma_s8.cuh",
        "simt::copy_async_wait<kStages - 2>();\n    simt::syncthreads();",
        "simt::copy_async_wait<kStages - 2>();",
        hazard="race",
    ),
    Mutant(
        "waits for one group too few",
        "gemm/imma_s8.cuh",
        "simt::copy_async_wait<kStages - 2>();",
        "simt::copy_async_wait<kStages - 1>();",
        hazard="read-in-flight",
    ),
    Mutant(
        "refills the stage in use",
        "gemm/imma_s8.cuh",
        "produce(k_tile + kStages - 1)",
        "produce(k_tile + kStages)",
        hazard="race",
    ),
    Mutant(
        "a stage is never loaded",
        "gemm/imma_s8.cuh",
        "if (k_tile < k_tiles) {",
        "if (k_tile < k_tiles && k_tile != 1) {",
        hazard="uninitialised-read",
    ),
    Mutant(
        "epilogue overwrites stages still read",
        "gemm/imma_s8.cuh",
        "if (last_step) await_stage();",
        "if (last_step && k_tile + 1 < k_tiles) await_stage();",
        hazard="race",
    ),
    Mutant(
        "copies left in flight",
        "gemm/imma_s8.cuh",
        "simt::copy_async_wait<kStages - 2>();\n    simt::syncthreads();",
        "simt::copy_async_wait<kStages - 2>();\n    simt::syncthreads();\n"
        "    simt::copy_async<16>(shared, p.a.data, 16);",
        hazard="write-in-flight",
    ),
    Mutant(
        "rows are swapped in the fragments of A",
        "parts/imma_fragments.cuh",
        "row_a + i * kMmaM + lane % 16",
        "row_a + i * kMmaM + (lane ^ 1) % 16",
        wrong=True,
    ),
    Mutant(
        "half a warp skips ldmatrix",
        "parts/imma_fragments.cuh",
        "simt::ldmatrix(a[i],",
        "if (lane < 16) simt::ldmatrix(a[i],",
        hazard="divergent-collective",
    ),
    Mutant(
        "no swizzle",
        "parts/swizzle.cuh",
        "(chunk ^ (row / kRowsPerLine) % kPattern)",
        "(chunk)",
        conflicts="ldmatrix",
    ),
    Mutant(
        "no swizzle in the epilogue",
        "parts/epilogue.cuh",
        "(chunk ^ swap)",
        "(chunk + 0 * swap)",
        conflicts="shared_store",
    ),
    Mutant(
        "loads rows past the operand",
        "parts/tile_loader.cuh",
        "round * kRowStep < rows_left_ ? in_row : 0",
        "in_row",
        hazard="global-out-of-bounds",
    ),
    Mutant(
        "loads past K",
        "parts/tile_loader.cuh",
        "left < 0 ? 0 : left < kChunkBytes ? left : kChunkBytes",
        "kChunkBytes",
        wrong=True,
    ),
    Mutant(
        "stores columns past the output",
        "parts/epilogue.cuh",
        "if (row >= p.m || column >= p.n) continue;",
        "if (row >= p.m) continue;",
        hazard="race",
    ),
    Mutant(
        "reads a slab before the warp has written it",
        "parts/epilogue.cuh",
        "slab.write(accumulators[i]);\n    simt::syncwarp();",
        "slab.write(accumulators[i]);",
        hazard="race",
    ),
    Mutant(
        "writes a slab before the warp has read it",
        "parts/epilogue.cuh",
        "simt::syncwarp();  // everyone has read the previous slab\n",
        "",
        hazard="race",
    ),
]


@pytest.fixture(scope="session")
def machine_library(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The machine's object files: the same for every mutant."""
    folder = tmp_path_factory.mktemp("machine")
    sources = sorted((KERNELS / "simt" / "host").glob("*.cpp"))
    command = ["g++", "-std=c++20", "-O2", "-I", KERNELS, "-c", *sources]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return sorted(folder.glob("*.o"))


def run_mutant(kernels: Path, machine: list[Path], folder: Path) -> list[dict[str, str]]:
    """What each of the three orders found, by name."""
    program = folder / "mutant"
    source = Path(__file__).with_name("mutant.cpp")
    command = [
        "g++",
        "-std=c++20",
        "-O1",
        "-ffp-contract=off",
        "-I",
        kernels,
        source,
        *machine,
        "-pthread",
        "-o",
        program,
    ]
    subprocess.run(command, check=True, capture_output=True)
    lines = subprocess.run([program], check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()
    return [dict(item.split("=") for item in line.split()) for line in lines]


def test_the_kernel_itself_is_clean(machine_library: list[Path], tmp_path: Path) -> None:
    orders = run_mutant(KERNELS, machine_library, tmp_path)
    assert len(orders) == 3
    for found in orders:
        assert found.pop("wrong") == "0"
        assert found.pop("hazards") == ""
        assert set(found.values()) == {"1.00"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_noticed(mutant: Mutant, machine_library: list[Path], tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    shutil.copytree(KERNELS, kernels)
    file = kernels / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, "the mutation must apply to exactly one place"
    file.write_text(text.replace(mutant.old, mutant.new))

    for found in run_mutant(kernels, machine_library, tmp_path):
        if mutant.hazard:
            assert mutant.hazard in found["hazards"].split(","), found
        if mutant.wrong:
            assert int(found["wrong"]) > 0, found
        if mutant.conflicts:
            assert float(found[mutant.conflicts]) > 1.5, found
            assert found["wrong"] == "0", "conflicts cost time, not correctness"
