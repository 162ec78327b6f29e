"""wgmma of 16-bit floats against CuTe's, compiled the same way and compared as machine code, registers included."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from immabench.profile.sass import Instruction, parse_listing

pytestmark = pytest.mark.oracle

SOURCE = Path(__file__).parent / "primitives_wgmma_float.cu"
WIDTHS = [int(n) for n in re.findall(r"^WGMMA\((\d+)\)", SOURCE.read_text(), re.MULTILINE)]
FORMS = [f"{types}_{operand_a}" for types in ("F16", "BF16") for operand_a in ("SS", "RS")]


@pytest.fixture(scope="module")
def functions(
    nvcc: Path, nvdisasm: Path, kernels_dir: Path, cutlass_include: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Instruction]]:
    """SASS of every kernel in primitives_wgmma_float.cu."""
    cubin = tmp_path_factory.mktemp("sm_90a") / "primitives.cubin"
    flags = ["-std=c++20", "-O3", "-w", "--expt-relaxed-constexpr", "-cubin", "-arch=sm_90a"]
    includes = [f"-I{kernels_dir}", "-isystem", str(cutlass_include)]
    subprocess.run([nvcc, *flags, *includes, SOURCE, "-o", cubin], check=True)
    listing = subprocess.run([nvdisasm, "-json", cubin], capture_output=True, text=True, check=True).stdout
    return parse_listing(listing)


def listed(code: list[Instruction]) -> list[str]:
    """Instructions with their registers; without padding and the targets of branches, which move with the length."""
    text = [f"{line.predicate} {line.opcode} {line.operands}".strip() for line in code if line.opcode != "NOP"]
    return [re.sub(r"(BRA\S*) 0x\w+", r"\1", line) for line in text]


def test_every_width_is_compared() -> None:
    assert list(range(8, 257, 8)) == WIDTHS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", WIDTHS)
def test_same_machine_code_as_cute(functions: dict[str, list[Instruction]], n: int, form: str) -> None:
    ours = listed(functions[f"ours_n{n}_{form}"])
    assert ours == listed(functions[f"cute_n{n}_{form}"])
    assert sum(f"HGMMA.64x{n}x16.F32" in line for line in ours) == 1


def test_the_comparison_sees_a_difference(functions: dict[str, list[Instruction]]) -> None:
    ours = listed(functions["ours_n64_F16_SS"])
    for other in ("n64_BF16_SS", "n72_F16_SS", "n64_F16_RS"):
        assert ours != listed(functions[f"cute_{other}"])
