"""CUTLASS' kernels, with this project's epilogue, give on the hardware the bits the specification asks for."""

from __future__ import annotations

import pytest

from immabench import _native
from immabench.hardware import cuda_state
from immabench.kernels import KernelConfig, absent_reason, convolves, cutlass_configs
from immabench.measure.trial import Trial
from immabench.measure.verify import EPILOGUES, ORDERS, verify_kernel
from immabench.problems import Problem, conv_problem
from immabench.providers.cutlass import CutlassProvider

CONFIGS = cutlass_configs()


@pytest.fixture(autouse=True)
def compiled_in() -> None:
    if _native.build_info()["cutlass_version"] is None:
        pytest.skip("this build has no CUTLASS: reinstall with -C cmake.define.IMMABENCH_CUTLASS=ON")


def present(config: KernelConfig) -> KernelConfig:
    """`config`, unless this GPU cannot run it."""
    reason = absent_reason(config, cuda_state()["devices"][0])
    if reason is not None:
        pytest.skip(f"{config.id}: {reason}")
    return config


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_every_edge_and_output_type_is_exact(config: KernelConfig) -> None:
    """Of GEMMs batches too. Images whose pixels are no whole 16 bytes are skipped."""
    checks = list(verify_kernel(present(config), (), list(EPILOGUES), ORDERS, "cuda", seed=0))
    assert [check for check in checks if check.status == "failed"] == []
    assert {check.output_type for check in checks if check.status == "ok"} == set(EPILOGUES)
    assert convolves(config) or not [check for check in checks if check.status == "skipped"]


PROBLEMS = [
    Problem(4096, 4096, 4096, output_type="f16", row_scale="vector", col_scale="vector", bias=True),
    Problem(1, 14336, 4096, output_type="s32"),
    Problem(777, 520, 131056, output_type="s32"),
    Problem(512, 64, 512, output_type="bf16", row_scale="vector", col_scale="vector", batch=96),
    Problem(2048, 4096, 4096, a_type="s4", b_type="s4", output_type="f16", row_scale="vector", col_scale="vector"),
    conv_problem("8x56x56x64_f3_p1", 128, output_type="f16", col_scale="vector", bias=True, activation="relu"),
    conv_problem("8x56x56x80_f3_s2_p1", 128, output_type="f16", col_scale="vector", bias=True),
    conv_problem("32x7x7x512_f3_p1", 512, output_type="s32"),
]
"""More tiles than multiprocessors, one row of a decode, the largest K, many heads at once, layers of a network."""


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.key)
def test_large_problems_are_exact(problem: Problem) -> None:
    legal = [entry for entry in CutlassProvider().configs(problem, "cuda") if entry.reason is None]
    if not legal:
        pytest.skip("this GPU has no instruction for these operands")
    for entry in legal:
        trial = Trial(CutlassProvider(), problem, entry.config_id, "cuda", seed=0)
        assert trial.launchable.backend.startswith("cuda:sm_")
        trial.launch()
        assert trial.judge() == "", entry.config_id


def test_launches_follow_the_stream_they_are_given() -> None:
    import torch

    one = Trial(CutlassProvider(), Problem(300, 520, 192), present(CONFIGS[0]).id, "cuda", seed=0)
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # the operand comes late, and only this stream knows
        one.renew(1)
        one.launch()
        assert one.judge() == ""


@pytest.mark.parametrize(
    "config", [CONFIGS[0], *(one for one in CONFIGS if one.by_wgmma)], ids=lambda config: config.id
)
def test_a_graph_holds_the_launch(config: KernelConfig) -> None:
    """Tensor maps, attributes and clusters are those of the call that was captured."""
    import torch

    one = Trial(CutlassProvider(), Problem(300, 520, 192), present(config).id, "cuda", seed=0)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        one.launch()
    one.renew(1)
    graph.replay()
    assert one.judge() == ""


def test_a_launch_that_would_read_past_rows_is_refused() -> None:
    import torch

    a, b = (torch.zeros(16, 40, dtype=torch.int8, device="cuda") for _ in range(2))
    out = torch.zeros(16, 16, dtype=torch.int32, device="cuda")
    with pytest.raises(ValueError, match="K=40 is no multiple of 16"):
        _native.launch_gemm(CONFIGS[0].id, a, b, out, output_type="s32")
    a, b = (torch.zeros(16 * 48 + 1, dtype=torch.int8, device="cuda")[1:].view(16, 48) for _ in range(2))
    with pytest.raises(ValueError, match="no multiple of 16 bytes"):
        _native.launch_gemm(CONFIGS[0].id, a, b, out, output_type="s32")
