"""The compiled INT8 GEMM gives, on the hardware, the bits the specification asks for."""

from __future__ import annotations

import numpy as np
import pytest

from immabench import _native
from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.verify import EPILOGUES, ORDERS, edge_shapes, verify_kernel
from immabench.numerics import compare_exact, gemm_reference
from immabench.operands import make_operands
from immabench.problems import Problem
from immabench.providers.handwritten import CudaLaunch, HandwrittenProvider

CONFIGS = kernel_configs()
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


@pytest.mark.parametrize("shape", [(4096, 4096, 4096), (1, 14336, 4096), (8191, 777, 131071)])
def test_large_problems_are_exact(shape: tuple[int, int, int]) -> None:
    """More tiles than SMs, one row of a decode, and the largest K."""
    m, n, k = shape
    problem = Problem(m, n, k)
    for entry in HandwrittenProvider().configs(problem, "cuda")[:2]:
        launch = CudaLaunch(problem, entry.config_id, make_operands(problem))
        launch.launch()
        assert launch.verify() == ""


def test_launches_follow_the_stream_they_are_given() -> None:
    import torch

    operands = make_operands(PROBLEM)
    launch = CudaLaunch(PROBLEM, CONFIGS[0].id, operands)
    stream = torch.cuda.Stream()
    final = launch._buffers.a.clone()
    launch._buffers.a.zero_()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # the operand comes late, and only this stream knows
        launch._buffers.a.copy_(final)
        launch.launch()
    stream.synchronize()
    assert launch.verify() == ""


def test_launching_returns_before_the_kernel_ends() -> None:
    import torch

    launch = CudaLaunch(PROBLEM, CONFIGS[0].id, make_operands(PROBLEM))
    launch.launch()
    torch.cuda.synchronize()
    torch.cuda._sleep(2_000_000_000)
    launch.launch()
    assert not torch.cuda.current_stream().query()
    torch.cuda.synchronize()


def test_a_captured_launch_replays() -> None:
    import torch

    launch = CudaLaunch(PROBLEM, CONFIGS[0].id, make_operands(PROBLEM))
    launch.launch()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch.launch()
    launch._buffers.out.zero_()
    graph.replay()
    assert launch.verify() == ""


def test_emulation_and_gpu_agree_bit_for_bit() -> None:
    operands = make_operands(PROBLEM)
    launch = CudaLaunch(PROBLEM, CONFIGS[0].id, operands)
    launch.launch()
    emulated = np.zeros((PROBLEM.m, PROBLEM.n), np.float16)
    vectors = {name: getattr(operands, name) for name in ("row_scale", "col_scale", "bias")}
    _native.emulate_gemm_s8(CONFIGS[0].id, operands.a, operands.b, emulated, output_type="f16", **vectors)
    assert compare_exact(PROBLEM, launch.output(), emulated).exact
    assert compare_exact(PROBLEM, emulated, gemm_reference(PROBLEM, operands)).exact


def test_operands_on_two_devices_are_refused() -> None:
    import torch

    a, b = torch.zeros(16, 32, dtype=torch.int8, device="cuda"), torch.zeros(16, 32, dtype=torch.int8)
    out = torch.zeros(16, 16, dtype=torch.int32, device="cuda")
    with pytest.raises(ValueError, match="operand 'a' is on another device than 'b' or 'out'"):
        _native.launch_gemm_s8(CONFIGS[0].id, a, b, out, output_type="s32")
    with pytest.raises(ValueError, match="operand 'a' is on a CUDA device; emulation needs CPU tensors"):
        _native.emulate_gemm_s8(CONFIGS[0].id, a, b.cuda(), out, output_type="s32")
