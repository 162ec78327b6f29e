"""Ranges as a tool hears them that NVTX loads, from Python and from native launches."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cuda_tools import find_nvtx

from immabench.profile.ranges import DOMAIN, PROFILED

ROOT = Path(__file__).parents[2]
ROW = "imma_1@gemm_s8_m1_n2_k3_f16@cuda"
PUSHES = f"""
from immabench.profile.ranges import nvtx_range, profiled_range
with profiled_range("{ROW}"):
    pass
with nvtx_range("{ROW}"):
    pass
"""


def heard(words: list[str], listener: Path, log: Path) -> list[str]:
    environment = {"NVTX_INJECTION64_PATH": str(listener), "NVTX_LISTENER_LOG": str(log)}
    subprocess.run(words, env=environment, check=True, timeout=60)
    return log.read_text().splitlines()


def test_a_tool_hears_our_ranges_in_our_domain(listener: Path, tmp_path: Path) -> None:
    found = heard([sys.executable, "-c", PUSHES], listener, tmp_path / "log")
    profiled = [f"push {DOMAIN} {PROFILED}", f"push {DOMAIN} {ROW}", f"pop {DOMAIN}", f"pop {DOMAIN}"]
    assert found == [*profiled, f"push {DOMAIN} {ROW}", f"pop {DOMAIN}"]


@pytest.mark.parametrize("with_nvtx", [True, False])
def test_native_launches_name_their_kernel(listener: Path, tmp_path: Path, with_nvtx: bool) -> None:
    compiler, program = shutil.which("g++"), tmp_path / "push"
    assert compiler
    source = '#include "nvtx_range.hpp"\nint main() { const immabench::bindings::NvtxRange range("imma_1"); }\n'
    (tmp_path / "push.cpp").write_text(source)
    flags = ["-DIMMABENCH_NVTX=1"] if with_nvtx else []
    includes = [f"-I{ROOT / 'bindings'}", f"-I{find_nvtx()}"]
    subprocess.run(
        [compiler, "-std=c++20", *flags, *includes, str(tmp_path / "push.cpp"), "-o", program, "-ldl"], check=True
    )
    (tmp_path / "log").touch()
    found = heard([str(program)], listener, tmp_path / "log")
    assert found == ([f"push {DOMAIN} imma_1", f"pop {DOMAIN}"] if with_nvtx else [])
