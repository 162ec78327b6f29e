"""CUTLASS' kernels as a provider, on the fake native module."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from immabench.errors import MissingHardwareError, NothingSelectedError
from immabench.kernels import absent_reason, all_configs, is_emulated, kernel_config, kernel_configs, match_kernels
from immabench.measure.plan import Selection, make_plan
from immabench.measure.verify import problem_for, verify_kernel
from immabench.operands import make_operands
from immabench.problems import Problem
from immabench.providers.buffers import HostBuffers
from immabench.providers.cutlass import CutlassProvider

H200 = {"index": 0, "name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}
SMALL, LARGE = "cutlass_s8s8s32_64x64x128_w2x2_s5_sm80", "cutlass_s8s8s32_128x128x64_w2x2_s4_sm80"


@pytest.fixture
def with_cutlass(fake_native: Any) -> Any:
    fake_native.has_cutlass = True
    return fake_native


@pytest.fixture
def h200(with_cutlass: Any) -> Any:
    with_cutlass.devices = [H200]
    return with_cutlass


def test_availability_says_what_is_missing_and_its_remedy(with_cutlass: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = CutlassProvider()
    assert provider.availability().detail == "built without CUDA"
    assert "IMMABENCH_CUDA=OFF" in provider.availability().remedy
    with_cutlass.devices = [H200]
    assert provider.availability().detail == "CUTLASS 4.2.0, 2 configurations"
    with_cutlass.cutlass_version = None
    assert provider.availability().detail == "built without CUTLASS"
    assert "nvidia-cutlass==" in provider.availability().remedy
    assert "IMMABENCH_CUTLASS=ON" in provider.availability().remedy
    monkeypatch.setitem(sys.modules, "immabench._native", None)
    assert not provider.availability().ok


def test_a_cuda_build_without_a_gpu_is_not_available(h200: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"status": 35, "error": "CUDA driver version is insufficient", "devices": []}
    monkeypatch.setattr(h200, "cuda_devices", lambda: nothing, raising=False)
    state = CutlassProvider().availability()
    assert (state.ok, state.detail) == (False, "no GPU here: CUDA driver version is insufficient")


@pytest.mark.parametrize(("size", "best"), [(64, SMALL), (4096, LARGE)])
def test_candidates_are_ranked_for_the_problem(h200: Any, size: int, best: str) -> None:
    first, *others = CutlassProvider().configs(Problem(size, size, 4096), "cuda")
    assert (first.config_id, first.reason) == (best, None)
    assert {first.config_id, *(other.config_id for other in others)} == {SMALL, LARGE}


def test_the_illegal_come_last_with_their_reason(h200: Any) -> None:
    h200.illegal[LARGE] = "K=11 is no multiple of 16"
    candidates = CutlassProvider().configs(Problem(4096, 4096, 4096), "cuda")
    assert [(one.config_id, one.reason) for one in candidates] == [(SMALL, None), (LARGE, h200.illegal[LARGE])]


def test_a_gpu_of_another_architecture_is_a_reason(h200: Any) -> None:
    h200.devices = [{**H200, "compute_capability": [7, 5]}]
    reasons = {candidate.reason for candidate in CutlassProvider().configs(Problem(64, 64, 64), "cuda")}
    assert reasons == {"compiled for sm_80, sm_90a, and this GPU is sm_75"}


def test_without_its_code_a_sweep_lists_it_as_skipped(h200: Any) -> None:
    h200.cutlass_version = None
    plan = make_plan(Selection(shapes=("64x64x64",), providers=("cutlass",), devices=("cuda",)))
    assert plan
    assert all(planned.skip.startswith("built without CUTLASS; pip install") for planned in plan)


def test_other_memory_than_a_gpus_is_refused(h200: Any) -> None:
    problem = Problem(64, 64, 64)
    with pytest.raises(MissingHardwareError, match="runs on a GPU alone"):
        CutlassProvider().prepare(SMALL, HostBuffers(problem, make_operands(problem)))


def test_they_are_found_by_name_but_not_among_our_own(with_cutlass: Any) -> None:
    assert kernel_config(SMALL).provider == "cutlass"
    assert SMALL not in {config.id for config in kernel_configs()}
    assert SMALL in {config.id for config in all_configs()}
    assert [config.id for config in match_kernels(["cutlass*"])] == [SMALL, LARGE]
    assert [is_emulated(config) for config in match_kernels(["*128x128*"])] == [True, False]


def test_they_are_verified_with_rows_of_whole_16_bytes(with_cutlass: Any) -> None:
    assert problem_for(kernel_config(SMALL), (3, 5, 70), "f16").k == 80


def test_verification_skips_what_the_gpu_cannot_run(h200: Any) -> None:
    h200.devices = [{**H200, "compute_capability": [7, 5]}]
    (check,) = verify_kernel(kernel_config(SMALL), [(64, 64, 128)], ["s32"], (), "cuda", 0)
    assert (check.status, check.detail) == ("skipped", "compiled for sm_80, sm_90a, and this GPU is sm_75")


@pytest.mark.parametrize(
    ("compiled", "reason"),
    [
        (["sm_80"], "this build has no sm_90a; reinstall with -C cmake.define.IMMABENCH_CUDA_ARCHS=90a"),
        (["sm_90a"], None),
    ],
)
def test_by_wgmma_they_need_a_build_with_sm_90a(
    h200: Any, monkeypatch: pytest.MonkeyPatch, compiled: list[str], reason: str | None
) -> None:
    by_wgmma = replace(kernel_config(SMALL), mma="m64n128k32", architectures=("sm_90a",))
    build = {**h200.build_info(), "architectures": compiled}
    monkeypatch.setattr(h200, "build_info", lambda: build, raising=False)
    assert absent_reason(by_wgmma, H200) == reason
    assert absent_reason(kernel_config(SMALL), H200) is None


def test_names_that_match_nothing_get_the_nearest(with_cutlass: Any) -> None:
    with pytest.raises(NothingSelectedError, match="cutlass_s8s8s32_64x64x128"):
        kernel_config("cutlass_s8s8s32_64x64x12_w2x2_s5_sm80")
