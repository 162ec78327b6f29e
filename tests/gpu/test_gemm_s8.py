"""The compiled INT8 GEMM gives, on the hardware, the bits the specification asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immabench import _native
from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.trial import Trial
from immabench.measure.verify import BATCH, EPILOGUES, ORDERS, batched_edges, edge_shapes, verify_kernel
from immabench.numerics import compare_exact, gemm_reference
from immabench.operands import make_operands
from immabench.problems import Problem
from immabench.providers.buffers import CudaBuffers, HostBuffers
from immabench.providers.handwritten import HandwrittenProvider

CONFIGS = [config for config in kernel_configs() if config.family == "gemm_s8"]
PROBLEM = Problem(300, 520, 192, output_type="f16", row_scale="vector", col_scale="vector", bias=True)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_every_edge_shape_and_output_type_is_exact(config: KernelConfig) -> None:
    legal = {entry.config_id for entry in HandwrittenProvider().configs(PROBLEM, "cuda") if entry.reason is None}
    if config.id not in legal:
        pytest.skip(
            "this GPU does not run the configuration: its shared memory is too small, or its architecture older"
        )
    checks = list(verify_kernel(config, edge_shapes(config), list(EPILOGUES), ORDERS, "cuda", seed=0))
    assert len(checks) == len(edge_shapes(config)) * len(EPILOGUES)
    assert [check for check in checks if check.status != "ok"] == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_batches_are_exact(config: KernelConfig) -> None:
    if not batched_edges(config):
        pytest.skip("this kernel computes one product")
    provider = HandwrittenProvider()
    offered = {entry.config_id: entry.reason for entry in provider.configs(replace(PROBLEM, batch=BATCH), "cuda")}
    if offered[config.id] is not None:
        pytest.skip(str(offered[config.id]))
    how = (list(EPILOGUES), ORDERS, "cuda", 0, {"batch": BATCH})
    checks = list(verify_kernel(config, [*batched_edges(config), (64, 64, 64)], *how))
    assert [check for check in checks if check.status != "ok"] == []


def test_the_heads_of_an_attention_are_exact() -> None:
    """Queries by keys, and probabilities by values, of many heads at once."""
    for shape in ((512, 512, 64), (512, 64, 512)):
        problem = Problem(*shape, output_type="f16", row_scale="vector", col_scale="vector", batch=96)
        for entry in HandwrittenProvider().configs(problem, "cuda")[:2]:
            trial = Trial(HandwrittenProvider(), problem, entry.config_id, "cuda", seed=0)
            trial.launch()
            assert trial.judge() == ""


@pytest.mark.parametrize("shape", [(4096, 4096, 4096), (1, 14336, 4096), (777, 520, 131071)])
def test_large_problems_are_exact(shape: tuple[int, int, int]) -> None:
    """More tiles than SMs, one row of a decode, and the largest K."""
    m, n, k = shape
    problem = Problem(m, n, k)
    for entry in HandwrittenProvider().configs(problem, "cuda")[:2]:
        trial = Trial(HandwrittenProvider(), problem, entry.config_id, "cuda", seed=0)
        trial.launch()
        assert trial.judge() == ""


def trial() -> Trial:
    return Trial(HandwrittenProvider(), PROBLEM, CONFIGS[0].id, "cuda", seed=0)


def test_launches_follow_the_stream_they_are_given() -> None:
    import torch

    one = trial()
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # the operand comes late, and only this stream knows
        one.renew(1)
        one.launch()
        assert one.judge() == ""


def test_launching_returns_before_the_kernel_ends() -> None:
    import torch

    one = trial()
    one.launch()
    torch.cuda.synchronize()
    torch.cuda._sleep(2_000_000_000)
    one.launch()
    assert not torch.cuda.current_stream().query()
    torch.cuda.synchronize()


def test_a_captured_launch_replays() -> None:
    import torch

    one = trial()
    one.launch()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        one.launch()
    for seed in (1, 2):
        one.renew(seed)
        graph.replay()
        assert one.judge() == ""


def test_work_on_another_stream_is_caught() -> None:
    """The result is read in the order of the current stream: work nobody ordered before it has not happened."""
    import torch

    one, elsewhere = trial(), torch.cuda.Stream()
    with torch.cuda.stream(elsewhere):
        torch.cuda._sleep(200_000_000)
        one.launch()
    assert "elements differ" in one.judge()
    torch.cuda.synchronize()
    assert one.judge() == ""


def test_emulation_and_gpu_agree_bit_for_bit() -> None:
    operands = make_operands(PROBLEM)
    outputs = []
    for buffers in (HostBuffers(PROBLEM, operands, "emulated"), CudaBuffers(PROBLEM, operands)):
        HandwrittenProvider().prepare(CONFIGS[0].id, buffers).launch()
        outputs.append(buffers.result())
    assert compare_exact(PROBLEM, *outputs).exact
    assert compare_exact(PROBLEM, outputs[0], gemm_reference(PROBLEM, operands)).exact


def test_operands_on_two_devices_are_refused() -> None:
    import torch

    a, b = torch.zeros(16, 32, dtype=torch.int8, device="cuda"), torch.zeros(16, 32, dtype=torch.int8)
    out = torch.zeros(16, 16, dtype=torch.int32, device="cuda")
    with pytest.raises(ValueError, match="operand 'a' is on another device than 'b' or 'out'"):
        _native.launch_gemm(CONFIGS[0].id, a, b, out, output_type="s32")
    with pytest.raises(ValueError, match="operand 'a' is on a CUDA device; emulation needs CPU tensors"):
        _native.emulate_gemm(CONFIGS[0].id, a, b.cuda(), out, output_type="s32")
