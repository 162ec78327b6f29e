"""What the oracles need: a CUDA compiler, a disassembler, the CUTLASS headers. A missing piece is a visible skip."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cuda_tools
import pytest

from immabench.profile.sass import Instruction, parse_listing

Disassemble = Callable[[Path, str], dict[str, list[Instruction]]]
CUTLASS_REMEDY = "pip install nvidia-cutlass==4.2.0.0, or point IMMABENCH_CUTLASS_DIR at a CUTLASS checkout"


@pytest.fixture(scope="session")
def kernels_dir() -> Path:
    return Path(__file__).parents[2] / "kernels"


@pytest.fixture(scope="session")
def cutlass_include() -> Path:
    """CUTLASS' include folder: of IMMABENCH_CUTLASS_DIR, else of the installed package."""
    root = cuda_tools.find_cutlass()
    if root is None:
        pytest.skip(f"no CUTLASS headers: {CUTLASS_REMEDY}")
    include = root / "include"
    if not (include / "cute" / "tensor.hpp").is_file():
        pytest.fail(f"{include} holds no CuTe: {CUTLASS_REMEDY}")
    return include


@pytest.fixture(scope="session")
def nvcc() -> Path:
    found = cuda_tools.find("nvcc")
    if found is None:
        pytest.skip("no nvcc: install a CUDA toolkit or pip install 'immabench[cuda]'")
    return found


@pytest.fixture(scope="session")
def cuda_include(nvcc: Path) -> Path:
    return cuda_tools.toolkit_root(nvcc) / "include"


@pytest.fixture(scope="session")
def nvdisasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = cuda_tools.make_runnable(tmp_path_factory.mktemp("tools"), "nvdisasm")["nvdisasm"]
    if found is None:
        pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm==13.2.86")
    return found


@pytest.fixture(scope="session")
def disassemble(
    nvcc: Path, nvdisasm: Path, kernels_dir: Path, cutlass_include: Path, tmp_path_factory: pytest.TempPathFactory
) -> Disassemble:
    """A function (source, architecture) -> SASS of every kernel in it. Sources may include our and CUTLASS headers."""

    def disassembled(source: Path, architecture: str) -> dict[str, list[Instruction]]:
        cubin = tmp_path_factory.mktemp(architecture) / f"{source.stem}.cubin"
        flags = ["-std=c++20", "-O3", "-w", "-DNDEBUG", "--expt-relaxed-constexpr", "-cubin", f"-arch={architecture}"]
        includes = [f"-I{kernels_dir}", "-isystem", str(cutlass_include)]
        subprocess.run([nvcc, *flags, *includes, source, "-o", cubin], check=True)
        listing = subprocess.run([nvdisasm, "-json", cubin], capture_output=True, text=True, check=True).stdout
        return parse_listing(listing)

    return disassembled
