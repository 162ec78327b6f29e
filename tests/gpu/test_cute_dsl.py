"""The kernels of the CuTe DSL give on the hardware the bits the specification asks for."""

from __future__ import annotations

import pytest

from immabench.cute_dsl import Specialization, uncompiled_reason
from immabench.cute_dsl_tiles import OUTPUT_TYPES, cute_dsl_configs
from immabench.hardware import cuda_state
from immabench.kernels import KernelConfig, absent_reason
from immabench.measure.trial import Trial
from immabench.measure.verify import verify_kernel
from immabench.problems import Problem
from immabench.providers.cute_dsl import CuteDslProvider

CONFIGS = cute_dsl_configs()


def present(config: KernelConfig) -> KernelConfig:
    """`config`, unless this GPU cannot run it, or there is neither the package nor what it compiled elsewhere."""
    reasons = (uncompiled_reason(Specialization(config.id, output)) for output in OUTPUT_TYPES)
    reason = absent_reason(config, cuda_state()["devices"][0]) or next(filter(None, reasons), None)
    if reason is not None:
        pytest.skip(f"{config.id}: {reason}; install the extra [gpu], or set IMMABENCH_CUTE_DSL to compiled kernels")
    return config


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_every_edge_and_output_type_is_exact(config: KernelConfig) -> None:
    """Shapes around the tile, the pipeline and a wave; M and N odd, so that columns go one by one; all output types."""
    checks = list(verify_kernel(present(config), (), list(OUTPUT_TYPES), (), "cuda", seed=0))
    assert [check for check in checks if check.status != "ok"] == []
    assert {check.output_type for check in checks} == set(OUTPUT_TYPES)


EPILOGUES = [
    {"output_type": output, "row_scale": row, "col_scale": column, "bias": bias}
    for output in ("f32", "f16", "bf16")
    for row in ("none", "tensor", "vector")
    for column in ("none", "tensor", "vector")
    for bias in (False, True)
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
@pytest.mark.parametrize("epilogue", EPILOGUES, ids=lambda epilogue: "_".join(map(str, epilogue.values())))
def test_every_epilogue_is_exact(config: KernelConfig, epilogue: dict[str, object]) -> None:
    """More tiles than one wave of blocks has, at the edge of the last, so that blocks take several tiles."""
    m, n, k = present(config).block_tile
    judged(Problem(12 * m + 9, 13 * n - 4, 2 * k + 16, **epilogue), config)  # type: ignore[arg-type]


PROBLEMS = [
    Problem(8192, 8192, 8192, output_type="f16", row_scale="vector", col_scale="vector", bias=True),
    Problem(1, 14336, 4096),
    Problem(200, 4098, 128, output_type="f16", row_scale="vector"),
    Problem(200, 4099, 128, output_type="bf16", row_scale="vector"),
    Problem(16, 4096, 16, output_type="bf16", row_scale="vector"),
    Problem(8191, 777, 131056),
    Problem(40000, 3, 64, output_type="f32", col_scale="vector", bias=True),
    Problem(3, 40000, 64, output_type="f16", col_scale="tensor"),
]
"""More tiles than fit at once, one row of a decode, N in pairs and odd, one step of K, the largest K, narrow C."""


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.key)
def test_large_problems_are_exact(config: KernelConfig, problem: Problem) -> None:
    judged(problem, present(config))


def judged(problem: Problem, config: KernelConfig) -> None:
    trial = Trial(CuteDslProvider(), problem, config.id, "cuda", seed=0)
    assert trial.launchable.backend.startswith("cuda:sm_")
    for seed in (0, 1):  # the ring's barriers are fresh in each launch, operands are not
        trial.renew(seed)
        trial.launch()
        assert trial.judge() == ""


def test_launches_follow_the_stream_they_are_given() -> None:
    import torch

    one = Trial(CuteDslProvider(), Problem(300, 520, 192), present(CONFIGS[0]).id, "cuda", seed=0)
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # the operand comes late, and only this stream knows
        one.renew(1)
        one.launch()
        assert one.judge() == ""


def test_a_graph_captures_launches() -> None:
    import torch

    one = Trial(CuteDslProvider(), Problem(300, 520, 192), present(CONFIGS[0]).id, "cuda", seed=0)
    one.launch()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        one.launch()
    one.renew(1)
    graph.replay()
    assert one.judge() == ""
