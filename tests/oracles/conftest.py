"""What the oracles need: a CUDA compiler, a disassembler, the CUTLASS headers. A missing piece is a visible skip."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import cuda_tools
import pytest

CUTLASS_REMEDY = "pip install nvidia-cutlass==4.2.0.0, or point IMMABENCH_CUTLASS_DIR at a CUTLASS checkout"


@pytest.fixture(scope="session")
def kernels_dir() -> Path:
    return Path(__file__).parents[2] / "kernels"


@pytest.fixture(scope="session")
def cutlass_include() -> Path:
    """CUTLASS' include folder: of IMMABENCH_CUTLASS_DIR, else of the installed package."""
    if given := os.environ.get("IMMABENCH_CUTLASS_DIR"):
        include = Path(given, "include")
    else:
        spec = importlib.util.find_spec("cutlass_library")
        if spec is None or not spec.submodule_search_locations:
            pytest.skip(f"no CUTLASS headers: {CUTLASS_REMEDY}")
        include = Path(spec.submodule_search_locations[0], "source", "include")
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
