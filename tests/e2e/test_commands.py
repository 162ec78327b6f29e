"""Commands as a user runs them, on the compiled kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KERNEL = "imma_s8s8s32_64x64x64_w2x2_s4_sm80"


def immabench(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as its own process."""
    command = [sys.executable, "-m", "immabench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def has_gpu() -> bool:
    checks = json.loads(immabench("doctor", "--json").stdout)["checks"]
    return any(check["name"] == "gpu" and check["status"] == "ok" for check in checks)


def test_doctor_finds_nothing_broken() -> None:
    done = immabench("doctor", "--json")
    checks = json.loads(done.stdout)["checks"]
    assert [check for check in checks if check["status"] == "broken"] == []
    assert done.returncode == 0


def test_list_kernels() -> None:
    entries = json.loads(immabench("list", "kernels", "--json").stdout)
    assert len(entries) >= 8
    assert KERNEL in {entry["id"] for entry in entries}
    assert all(entry["resources"]["threads"] % 32 == 0 for entry in entries)


def test_verify_is_exact_in_every_order() -> None:
    done = immabench("verify", "--kernel", KERNEL, "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["failed"]) == (0, 0)
    assert data["checked"] >= 40
    assert {result["output_type"] for result in data["results"]} == {"s32", "s8", "f32", "f16", "bf16"}


@pytest.mark.slow
def test_verify_every_configuration() -> None:
    # Each family's own tests take every order, and the edges of every tile.
    shapes = ("70x136x272", "1x7x9x32_f3_n72", "66x136", "2x9x7x40_f3_s2_p1", "1x2x70x136x32,64,128")
    given = [option for shape in shapes for option in ("--shape", shape)]
    done = immabench("verify", "--order", "random", *given, "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["failed"]) == (0, 0)
    listed = json.loads(immabench("list", "kernels", "--json").stdout)
    own = {entry["id"] for entry in listed if entry["provider"] == "handwritten"}
    assert {result["id"] for result in data["results"]} == own


@pytest.mark.parametrize("output_type", ["s32", "f32", "f16", "bf16"])
def test_emulation_of_an_aligned_shape_is_ideal(output_type: str) -> None:
    done = immabench("emulate", KERNEL, "--shape", "128x128x256", "--output-type", output_type, "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["exact"], data["hazards"]) == (0, True, [])
    counts = data["counts"]
    assert counts["ldmatrix"]["wavefronts"] == counts["ldmatrix"]["ideal"] > 0
    assert counts["async_copy"]["sectors"] == counts["async_copy"]["ideal"] > 0
    assert counts["async_copy"]["wavefronts"] == counts["async_copy"]["ideal_wavefronts"]
    assert counts["global_store"]["sectors"] == counts["global_store"]["ideal"] > 0
    assert counts["mma"] * 16 * 8 * 32 == 128 * 128 * 256


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["emulate", KERNEL, "--shape", "1x1x131072"], 2, "can overflow the int32 accumulator"),
        (["emulate", KERNEL, "--shape", "1xx1"], 2, "is not MxNxK"),
        (["emulate", KERNEL[:-1], "--shape", "1x1x1"], 5, f"nearest: {KERNEL}"),
        (["verify", "--kernel", "imma_nothing*"], 5, "no kernel matches"),
        (["verify", "--kernel", "cutlass*"], 5, "runs on a GPU alone; add --device cuda"),
        (["list", "suites", "--match", "resnet"], 5, "nearest: resnet18"),
        (["sweep", "quick", "--kernel", "nope"], 5, "no kernel matches"),
        (["report", "nowhere"], 2, "nowhere is not a run folder"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    done = immabench(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(has_gpu(), reason="this machine has the GPU whose absence is tested")
@pytest.mark.parametrize("command", [["verify"], ["sweep", "quick"]])
def test_a_missing_gpu_exits_77_with_what_to_run_instead(command: list[str], tmp_path: Path) -> None:
    done = immabench(*command, "--device", "cuda", cwd=tmp_path)
    assert done.returncode == 77
    assert "run with --device emulated" in done.stderr


def test_no_color_off_a_terminal() -> None:
    done = immabench("doctor", env={**os.environ, "NO_COLOR": "1"})
    assert "\x1b" not in done.stdout + done.stderr


def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m immabench list kernels --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == "[\n"
    assert "Traceback" not in done.stderr
