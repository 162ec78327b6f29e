"""The kernels of the CuTe DSL as a provider: what is offered, and what is said where something is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immabench import cute_dsl_tiles
from immabench.cute_dsl import Specialization, objects
from immabench.errors import MissingHardwareError
from immabench.kernels import all_configs, is_emulated, kernel_config, kernel_configs
from immabench.measure.plan import Selection, make_plan
from immabench.measure.verify import EPILOGUES, problem_for, verification_cases, verify_kernel
from immabench.operands import make_operands
from immabench.problems import Problem, conv_problem
from immabench.providers.buffers import HostBuffers
from immabench.providers.cute_dsl import CuteDslProvider

H200 = {"index": 0, "name": "NVIDIA H200", "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}
SMALL, LARGE = "cute_dsl_s8s8s32_64x128x128_w1_s4_sm90a", "cute_dsl_s8s8s32_128x256x128_w2_c2x1_s4_sm90a"
TILES = cute_dsl_tiles.TILES


@pytest.fixture(autouse=True)
def tiles(fake_native: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tiles there are, beside a fake of everything else; the package installed, and nothing compiled."""
    monkeypatch.setattr(cute_dsl_tiles, "TILES", TILES)
    monkeypatch.setenv(objects.VARIABLE, str(tmp_path))
    monkeypatch.setattr(objects, "installed_version", lambda: objects.VERSION)


@pytest.fixture
def h200(fake_native: Any) -> Any:
    fake_native.devices = [H200]
    return fake_native


def keep(folder: Path, *specializations: Specialization) -> None:
    for one in specializations:
        (folder / one.file_name).write_bytes(b"machine code")


def test_availability_says_what_is_missing_and_its_remedy(h200: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = CuteDslProvider()
    assert provider.availability().detail == "nvidia-cutlass-dsl==4.8.1, 0 of 20 kernels compiled"
    h200.devices = []
    state = provider.availability()
    assert (state.ok, state.hardware, state.detail) == (
        False,
        True,
        "no GPU here: CUDA driver version is insufficient",
    )
    monkeypatch.setattr(objects, "installed_version", lambda: None)
    state = provider.availability()
    assert (state.ok, state.hardware, state.detail) == (False, False, "nvidia-cutlass-dsl is not installed")
    assert "pip install nvidia-cutlass-dsl==4.8.1, or copy" in state.remedy


def test_another_version_is_not_taken_for_ours(h200: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "installed_version", lambda: "4.9.0")
    state = CuteDslProvider().availability()
    assert (state.ok, state.detail) == (False, "nvidia-cutlass-dsl 4.9.0 is installed, not 4.8.1")


def test_without_the_package_what_was_compiled_elsewhere_is_offered(
    h200: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(objects, "installed_version", lambda: None)
    keep(tmp_path, Specialization(SMALL, "s32"))
    state = CuteDslProvider().availability()
    assert (state.ok, state.detail) == (True, "nvidia-cutlass-dsl is not installed, 1 of 20 kernels compiled")
    first, *others = CuteDslProvider().configs(Problem(64, 64, 64), "cuda")
    assert (first.config_id, first.reason) == (SMALL, None)
    assert {one.reason for one in others} == {"not compiled, and nvidia-cutlass-dsl is not installed"}


@pytest.mark.parametrize(("size", "best"), [(64, SMALL), (8192, LARGE)])
def test_candidates_are_ranked_for_the_problem(h200: Any, size: int, best: str) -> None:
    candidates = CuteDslProvider().configs(Problem(size, size, 4096), "cuda")
    assert (candidates[0].config_id, candidates[0].reason) == (best, None)
    assert {one.config_id for one in candidates} == set(CuteDslProvider().config_ids())


ILLEGAL = [
    (Problem(64, 64, 72), "K=72 is no multiple of 16: TMA reads rows that begin at multiples of 16 bytes"),
    (Problem(64, 64, 64, batch=2), "computes one product, not a batch"),
    (Problem(64, 64, 64, a_zero="tensor"), "computes no zero point of A"),
    (Problem(64, 64, 64, output_type="f16", activation="relu"), "computes no relu"),
    (Problem(64, 64, 64, output_type="f32", residual="f32"), "computes no residual"),
    (Problem(64, 64, 64, output_type="s8", out_scale="tensor"), "computes no int8 outputs"),
    (Problem(2**31 - 1, 64, 64), "M and N go up to 2147482624"),
    (Problem(64, 64, 64, a_type="f16", b_type="f16", output_type="f16"), "computes gemm_s8, not gemm_f16"),
    (conv_problem("1x8x8x16_f3_p1", 16), "computes gemm_s8, not conv2d_s8"),
]


@pytest.mark.parametrize(("problem", "reason"), ILLEGAL, ids=lambda value: getattr(value, "key", ""))
def test_the_illegal_say_why(h200: Any, problem: Problem, reason: str) -> None:
    assert {one.reason for one in CuteDslProvider().configs(problem, "cuda")} == {reason}


def test_a_gpu_of_another_architecture_is_a_reason(h200: Any) -> None:
    h200.devices = [{**H200, "compute_capability": [10, 0]}]
    reasons = {candidate.reason for candidate in CuteDslProvider().configs(Problem(64, 64, 64), "cuda")}
    assert reasons == {"compiled for sm_90a, and this GPU is sm_100"}


def test_without_the_package_a_sweep_lists_it_as_skipped(h200: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "installed_version", lambda: None)
    plan = make_plan(Selection(shapes=("64x64x64",), providers=("cute_dsl",), devices=("cuda",)))
    assert plan
    assert all(planned.skip.startswith("nvidia-cutlass-dsl is not installed; pip install") for planned in plan)


def test_other_memory_than_a_gpus_is_refused() -> None:
    problem = Problem(64, 64, 64)
    with pytest.raises(MissingHardwareError, match="runs on a GPU alone"):
        CuteDslProvider().prepare(SMALL, HostBuffers(problem, make_operands(problem)))


def test_they_are_found_by_name_but_not_among_our_own() -> None:
    config = kernel_config(SMALL)
    assert (config.provider, is_emulated(config)) == ("cute_dsl", False)
    assert SMALL not in {config.id for config in kernel_configs()}
    assert SMALL in {config.id for config in all_configs()}


def test_they_are_verified_with_what_they_compute() -> None:
    config = kernel_config(SMALL)
    cases = list(verification_cases(config))
    assert {case.output_type for case in cases} == {"s32", "f32", "f16", "bf16"}
    assert {case.illegal_reason() for case in cases} == {None}
    assert problem_for(config, (3, 5, 70), "f32") == Problem(
        3, 5, 80, output_type="f32", row_scale="vector", col_scale="vector", bias=True
    )
    assert EPILOGUES["f32"]["activation"] == "relu"


def test_verification_skips_what_the_gpu_cannot_run(h200: Any) -> None:
    h200.devices = [{**H200, "compute_capability": [8, 0]}]
    (check,) = verify_kernel(kernel_config(SMALL), [(64, 64, 128)], ["s32"], (), "cuda", 0)
    assert (check.status, check.detail) == ("skipped", "compiled for sm_90a, and this GPU is sm_80")
