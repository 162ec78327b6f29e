"""The option IMMABENCH_CUTLASS: out completely, or in with headers, and one clear error in between. Configures only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import cuda_tools
import pytest

ROOT = Path(__file__).parents[2]
BY_MMA_SYNC = ["cutlass_conv_s8_cuda.cu", "cutlass_s4_cuda.cu", "cutlass_s8_cuda.cu"]


def configure(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run CMake for CUDA without the Python module."""
    for tool in ("cmake", "ninja"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: pip install 'immabench[dev]'")
    if cuda_tools.find("nvcc") is None:
        pytest.skip("no nvcc: install a CUDA toolkit or pip install 'immabench[cuda]'")
    command = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, "-DIMMABENCH_CUDA=ON", "-DIMMABENCH_BINDINGS=OFF"]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=os.environ)


def commands(folder: Path) -> dict[str, str]:
    """Compiler command lines by the source's name."""
    entries = json.loads((folder / "compile_commands.json").read_text())
    return {Path(entry["file"]).name: entry["command"] for entry in entries}


def test_off_needs_no_headers_and_compiles_no_kernel_of_cutlass(tmp_path: Path) -> None:
    done = configure(tmp_path, "-DIMMABENCH_CUTLASS=OFF", f"-DIMMABENCH_CUTLASS_DIR={tmp_path}/nowhere")
    assert done.returncode == 0, done.stderr
    compiled = commands(tmp_path)
    assert [name for name in compiled if name.startswith("cutlass") and name.endswith(".cu")] == []
    assert "IMMABENCH_CUTLASS_VERSION" not in compiled["cutlass_table.cpp"]


def test_without_headers_the_remedies_are_named(tmp_path: Path) -> None:
    done = configure(tmp_path, f"-DIMMABENCH_CUTLASS_DIR={tmp_path}/nowhere")
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert f"no CUTLASS headers in IMMABENCH_CUTLASS_DIR ('{tmp_path}/nowhere')" in said
    assert "pip install --no-deps nvidia-cutlass==" in said
    assert "IMMABENCH_CUTLASS=OFF" in said


def test_on_by_default_with_system_headers_and_their_version(tmp_path: Path) -> None:
    root = cuda_tools.find_cutlass()
    if root is None:
        pytest.skip("no CUTLASS headers: pip install nvidia-cutlass==4.2.0.0, or set IMMABENCH_CUTLASS_DIR")
    done = configure(tmp_path, f"-DIMMABENCH_CUTLASS_DIR={root}")
    assert done.returncode == 0, done.stderr
    compiled = commands(tmp_path)
    kernels = {name: line for name, line in compiled.items() if name.startswith("cutlass") and name.endswith(".cu")}
    assert sorted(kernels) == ["cutlass3_s8_cuda.cu", *BY_MMA_SYNC]
    assert all(f"-isystem={root}/include" in line or f"-isystem {root}/include" in line for line in kernels.values())
    assert f"{root}/include" not in compiled["gemm_table.cpp"]
    assert 'IMMABENCH_CUTLASS_VERSION=\\"4.' in compiled["cutlass_table.cpp"]
    assert "IMMABENCH_CUTLASS3" in compiled["cutlass_table.cpp"]
    assert "sm_80" in kernels["cutlass_s8_cuda.cu"]
    assert ("sm_80" in kernels["cutlass3_s8_cuda.cu"], "sm_90a" in kernels["cutlass3_s8_cuda.cu"]) == (False, True)


def test_without_sm_90a_the_kernels_by_wgmma_are_left_out(tmp_path: Path) -> None:
    root = cuda_tools.find_cutlass()
    if root is None:
        pytest.skip("no CUTLASS headers: pip install nvidia-cutlass==4.2.0.0, or set IMMABENCH_CUTLASS_DIR")
    done = configure(tmp_path, f"-DIMMABENCH_CUTLASS_DIR={root}", "-DIMMABENCH_CUDA_ARCHS=80,86")
    assert done.returncode == 0, done.stderr
    compiled = commands(tmp_path)
    assert sorted(name for name in compiled if name.startswith("cutlass") and name.endswith(".cu")) == BY_MMA_SYNC
    assert "IMMABENCH_CUTLASS3" not in compiled["cutlass_table.cpp"]
