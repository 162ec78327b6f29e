"""The project's own kernels as a provider, on the fake native module."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from immabench.errors import NothingSelectedError, OperandError
from immabench.measure.trial import Trial
from immabench.operands import Operands, make_operands
from immabench.problems import Problem
from immabench.providers.buffers import HostBuffers
from immabench.providers.handwritten import HandwrittenProvider

H200 = {"index": 0, "name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}
PROBLEM = Problem(9, 10, 11, output_type="bf16", row_scale="tensor", col_scale="vector", bias=True)


def test_availability_names_the_build(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = HandwrittenProvider()
    assert provider.availability().detail == "3 configurations, emulation only"
    assert provider.devices() == ("emulated",)
    fake_native.devices = [H200]
    assert provider.availability().detail == "3 configurations, CUDA 13.0 for sm_80, sm_90a"
    assert provider.devices() == ("emulated", "cuda")
    monkeypatch.setitem(sys.modules, "immabench._native", None)
    assert not provider.availability().ok


def test_candidates_are_ranked_and_the_illegal_come_last(fake_native: Any) -> None:
    last = fake_native.kernels()[2]["id"]
    fake_native.illegal[last] = "no"
    candidates = HandwrittenProvider().configs(PROBLEM, "emulated")
    assert [candidate.reason for candidate in candidates] == [None, None, "no"]
    assert candidates[-1].config_id == last


def test_under_emulation_the_instructions_take_turns(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = fake_native.kernels()
    wgmma = {**kernels[0], "id": "wgmma_s8s8s32_128x128x64_w2_s3_sm90a", "mma": "m64n128k32", "warp_tile": [64, 128]}
    monkeypatch.setattr(fake_native, "kernels", lambda: [*kernels, wgmma], raising=False)
    fake_native.devices = [H200]
    problem = Problem(1, 1024, 1024)
    fastest = [candidate.config_id for candidate in HandwrittenProvider().configs(problem, "cuda")]
    turns = [candidate.config_id for candidate in HandwrittenProvider().configs(problem, "emulated")]
    assert fastest[2:] == [wgmma["id"], kernels[0]["id"]]
    assert turns == [fastest[0], wgmma["id"], fastest[1], kernels[0]["id"]]


def test_a_gpu_of_another_architecture_is_a_reason(fake_native: Any) -> None:
    fake_native.devices = [H200]
    assert all(candidate.reason is None for candidate in HandwrittenProvider().configs(PROBLEM, "cuda"))
    fake_native.devices = [{**H200, "compute_capability": [7, 5]}]
    reasons = {candidate.reason for candidate in HandwrittenProvider().configs(PROBLEM, "cuda")}
    assert reasons == {"compiled for sm_80, sm_90a, and this GPU is sm_75"}


def test_an_emulated_launch_is_verified_bit_for_bit(fake_native: Any) -> None:
    config = fake_native.kernels()[0]["id"]
    trial = Trial(HandwrittenProvider(), PROBLEM, config, "emulated", seed=0)
    assert trial.launchable.backend == "emulated:host-simt"
    assert trial.judge().startswith("90 of 90 elements differ")  # nothing was launched: all poison
    trial.launch()
    assert trial.judge() == ""
    assert trial.launchable.emulation is not None
    assert trial.launchable.emulation.counts["barriers"] == 2


def test_bad_operands_are_refused_before_the_launch(fake_native: Any) -> None:
    operands = make_operands(PROBLEM)
    transposed = Operands(
        np.asfortranarray(operands.a), operands.b, operands.row_scale, operands.col_scale, operands.bias
    )
    with pytest.raises(OperandError, match="a is not C-contiguous"):
        HostBuffers(PROBLEM, transposed)
    with pytest.raises(NothingSelectedError):
        HandwrittenProvider().prepare("imma_gone", HostBuffers(PROBLEM, operands))
