"""Stands for Nsight Compute's ncu: runs the program it is given, hears the ranges it pushes, writes a synthetic report.

`MODES` are ways in which the real one fails, with what it says then, shortened.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from ncu_files import Launch, Rule, write_report

MODES = {
    "permission": "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU counters",
    "metric": "==ERROR== Failed to find metric regex:^sm__invented(\\.sum)?$",
    "library": "==ERROR== Failed to initialize the profiler: LibraryNotLoaded. Check that a driver is loaded.",
    "driver": "==ERROR== Cuda driver is not compatible with Nsight Compute.",
    "stub": "==ERROR== Nsight Compute failed to connect to the CUDA driver (stub libcuda.so[.1] on path?).",
    "device": "==ERROR== Profiling is not supported on device 0. To find out supported GPUs refer --list-chips option.",
    "busy": "==ERROR== Failed to profile: another driver resource is concurrently collecting profiling data.",
    "unknown": "==ERROR== The application returned an error code (9).",
}
METRICS = {
    "gpu__time_duration.sum": 5000,
    "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed": 50.0,
    "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio": 1.5,
    "smsp__average_warps_issue_stalled_selected_per_issue_active.ratio": 9.0,
}


def main(settings: dict[str, str], words: Sequence[str]) -> int:
    """What ncu does with these words; returns its exit code."""
    if words[0] == "--version":
        print(f"NVIDIA (R) Nsight Compute Command Line Profiler\nVersion {settings['version']} (build 1) (synthetic)")
        return 0
    if words[0] == "--list-chips":
        print(settings["chips"])
        return 0
    if words[0] == "--query-metrics":
        print(settings["metrics"])
        return 0
    Path(settings["argv"]).write_text(json.dumps(words))
    mode = settings["mode"]
    if mode in MODES:
        print(f"==PROF== Connected to process 1\n{MODES[mode]}\n==WARNING== No kernels were profiled.", file=sys.stderr)
        return 1
    at = words.index("--export")
    return _profile(Path(words[at + 1]), words[at + 2 :], settings)


def _profile(report: Path, program: Sequence[str], settings: dict[str, str]) -> int:
    heard = report.with_suffix(".heard")
    environment = {"NVTX_INJECTION64_PATH": settings["listener"], "NVTX_LISTENER_LOG": str(heard)}
    code = subprocess.run(program, env={**os.environ, **environment}).returncode
    stacks = list(launches(heard.read_text().splitlines())) if heard.exists() else []
    if not stacks or settings["mode"] == "deaf":
        print("==WARNING== No kernels were profiled.", file=sys.stderr)
        return code
    if settings["mode"] == "loses the last":
        stacks.pop()
    rules = [Rule("SOLBottleneck", "synthetic advice", 12.5)]
    write_report(report, [Launch({"immabench": stack}, METRICS, rules) for stack in stacks])
    if settings["mode"] == "damaged":
        report.write_bytes(report.read_bytes()[:-7])
    return code


def launches(lines: Sequence[str]) -> Iterator[list[str]]:
    """The ranges of our domain at each pop of an innermost one within `profile`: there a launch was."""
    stack: list[str] = []
    grew = False
    for line in lines:
        what, domain, *name = line.split(" ", 2)
        if domain != "immabench":
            continue
        if what == "push":
            stack.append(*name)
        else:
            if grew and stack[0] == "profile" and len(stack) > 1:
                yield list(stack)
            stack.pop()
        grew = what == "push"
