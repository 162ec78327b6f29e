"""A library that hears NVTX ranges, and the fake ncu of `unit/profile/profiler.py`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cuda_tools import find_nvtx
from profiler import fake_ncu

__all__ = ["fake_ncu", "listener"]

SOURCE = Path(__file__).parent / "data" / "nvtx_listener.cpp"


@pytest.fixture(scope="session")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled `data/nvtx_listener.cpp`."""
    headers, compiler = find_nvtx(), shutil.which("g++")
    if headers is None or compiler is None:
        pytest.skip("hearing NVTX ranges takes g++ and NVTX' headers: pip install nvidia-nvtx, or a CUDA toolkit")
    library = tmp_path_factory.mktemp("nvtx") / "listener.so"
    words = [compiler, "-std=c++20", "-shared", "-fPIC", f"-I{headers}", str(SOURCE), "-o", str(library)]
    subprocess.run(words, check=True)
    return library
