"""Our fragment maps, swizzles and operand descriptors against CuTe's layouts, evaluated on the CPU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle

MMA_SHAPES = ("m16n8k16.f16", "m16n8k16.s8", "m16n8k32.s8", "m16n8k32.s4", "m16n8k64.s4", "m16n8k256.b1")
OPERAND_LAYOUTS = ("interleaved", "32 bytes", "64 bytes", "128 bytes")
MAPS = (
    *(f"{shape} {operand}" for shape in MMA_SHAPES for operand in "ABC"),
    *(f"ldmatrix.x{count}{trans}" for trans in ("", ".trans") for count in (1, 2, 4)),
    *(f"swizzle {size}-byte rows" for size in (32, 64, 128, 256)),
    *(f"wgmma n{n} D" for n in (8, 16, 24, 32, 48, 64, 96, 128, 192, 240, 256)),
    "wgmma A",
    *(f"tensor swizzle {span}" for span in (0, 32, 64, 128)),
    *(f"{what} {mode}" for what in ("descriptor", "addresses") for mode in OPERAND_LAYOUTS),
)


@pytest.fixture(scope="module")
def disagreements(
    kernels_dir: Path, cutlass_include: Path, cuda_include: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Map -> "0" and nothing, or the number of disagreements and the first of them."""
    program = tmp_path_factory.mktemp("cute") / "cute_layouts"
    headers = [cutlass_include, cuda_include, cuda_include / "cccl"]
    includes = [f"-I{kernels_dir}", *(word for header in headers for word in ("-isystem", str(header)))]
    source = Path(__file__).parent / "cute_layouts.cpp"
    subprocess.run(["g++", "-std=c++20", "-O0", "-w", *includes, source, "-o", program], check=True)
    lines = subprocess.run([program], capture_output=True, text=True, check=False).stdout.splitlines()
    # CuTe complains of shared addresses on the host, which the program does not use.
    return dict(line.split("\t", 1) for line in lines if not line.startswith("ERROR: cast_smem_ptr_to_uint"))


def test_every_map_is_compared(disagreements: dict[str, str]) -> None:
    assert sorted(disagreements) == sorted(MAPS)


@pytest.mark.parametrize("name", MAPS)
def test_map_agrees_with_cute(disagreements: dict[str, str], name: str) -> None:
    assert disagreements[name] == "0\t"
