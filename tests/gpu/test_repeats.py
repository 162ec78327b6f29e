"""A launch gives the same bits each time: a race that the emulated machine cannot see shows as an error that moves."""

from __future__ import annotations

import pytest

from immabench.hardware import cuda_state
from immabench.kernels import KernelConfig, absent_reason, convolves, kernel_configs
from immabench.measure.verify import convolution_for, problem_for
from immabench.operands import make_operands
from immabench.problems import Problem
from immabench.providers.buffers import CudaBuffers
from immabench.providers.native_launch import CudaLaunch

CONFIGS = kernel_configs()
LAUNCHES = 200


def problem_of(config: KernelConfig) -> Problem:
    """Several tiles a block, and several rounds through the ring of stages; not a whole number of tiles."""
    if convolves(config):
        return convolution_for(config, "8x28x28x128_f3_p1", 128, "f16")
    m, n, _ = config.block_tile
    return problem_for(config, (max(256, 5 * m) + 8, max(1024, 5 * n) + 16, 4096), "f16")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_every_launch_gives_the_same_bits(config: KernelConfig) -> None:
    import torch

    reason = absent_reason(config, cuda_state()["devices"][0])
    if reason is not None:
        pytest.skip(reason)
    problem = problem_of(config)
    buffers = CudaBuffers(problem, make_operands(problem))
    one = CudaLaunch(config.id, buffers)
    one.launch()
    first, moved = buffers.out.clone(), torch.zeros((), dtype=torch.int64, device="cuda")
    for _ in range(LAUNCHES):
        buffers.out.view(torch.uint8).fill_(0x5A)
        one.launch()
        moved += (buffers.out.view(torch.uint8) != first.view(torch.uint8)).sum()
    assert int(moved) == 0, f"{int(moved)} bytes of {LAUNCHES} launches differ from the first"
