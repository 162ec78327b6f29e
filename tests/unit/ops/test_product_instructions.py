"""The loops of native products, by each set of instructions and by what vpdpbusd is defined to compute.

Operands lie in memory that ends where they do, so that sanitizers see a step beyond."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[3] / "kernels"
SETS = {
    "model": ["-DMODEL", "-DPRODUCT=kModelProduct"],
    "avx2": ["-DPRODUCT=kAvx2Product", KERNELS / "cpu/product_avx2.cpp"],
    "avx_vnni": ["-DPRODUCT=kAvxVnniProduct", KERNELS / "cpu/product_avx_vnni.cpp"],
    "avx512_vnni": ["-DPRODUCT=kAvx512VnniProduct", KERNELS / "cpu/product_avx512_vnni.cpp"],
}
ABSENT = 77
FLAGS = ["-std=c++20", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover", f"-I{KERNELS}"]


@pytest.mark.parametrize("name", SETS)
def test_products_are_exact_and_keep_to_their_operands(name: str, tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("these instructions are x86-64's, and need g++ or clang++")
    checks = tmp_path / "checks"
    source = Path(__file__).with_name("product_checks.cpp")
    subprocess.run([compiler, *FLAGS, source, *SETS[name], "-o", checks], check=True)
    run = subprocess.run([checks], capture_output=True, text=True, timeout=120)
    if run.returncode == ABSENT:
        pytest.skip(f"this CPU has no {name}")
    assert run.returncode == 0, run.stdout + run.stderr
