"""Two configurations in turns on a GPU, by graph replay and events."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def ab(*arguments: str) -> Any:
    command = [sys.executable, "-m", "immabench", "ab", *arguments, "--device", "cuda", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout)


def test_a_configuration_is_the_same_as_itself() -> None:
    data = ab("torch_fp16", "torch_fp16", "--shape", "2048x2048x2048", "--threshold", "5%")
    assert data["verdict"] == "SAME", data
    assert data["stopped"] == "precise enough"


def test_wide_floats_are_slower_than_narrow_ones() -> None:
    data = ab("torch_fp16", "torch_fp32", "--shape", "4096x4096x4096")
    assert data["verdict"] == "SLOWER", data


@pytest.mark.parametrize("kernel", ["imma_s8s8s32_128x128x64_w2x4_s3_sm80"])
def test_a_hand_written_kernel_can_be_captured(kernel: str) -> None:
    data = ab("torch_int8", kernel, "--shape", "1024x1024x1024")
    assert data["time_us_second"] > 0
    assert data["interval"] is not None
