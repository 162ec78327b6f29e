"""The attention operator on the hardware: the CPU's bits, from slices of one projection, within a CUDA graph."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from immabench.kernels import companion_configs  # noqa: E402
from immabench.ops import attention_s8  # noqa: E402

KERNELS = {config.id: config.block_tile[2] for config in companion_configs() if config.block_tile is not None}
"""The depth of each."""

OPTIONS: dict[str, Any] = {"scale": 2.0**-12, "v_scale": 0.02, "output_type": "f16"}


def packed(batch: int, tokens: int, heads: int, depth: int) -> Any:
    return torch.randint(-128, 128, (batch, tokens, 3, heads, depth), dtype=torch.int8)


@pytest.mark.parametrize("kernel", KERNELS)
def test_slices_of_one_projection_give_the_bits_of_the_cpu(kernel: str) -> None:
    tokens = packed(3, 333, 12, KERNELS[kernel])
    lengths = torch.tensor([333, 0, 100], dtype=torch.int32)
    want = attention_s8(*tokens.unbind(2), **OPTIONS, lengths=lengths)
    got = attention_s8(*tokens.cuda().unbind(2), **OPTIONS, lengths=lengths.cuda(), kernel=kernel)
    assert torch.equal(got.cpu(), want)


def test_a_cuda_graph_holds_the_call() -> None:
    tokens = packed(1, 128, 12, 64)
    held = tokens.cuda()
    attention_s8(*held.unbind(2), **OPTIONS)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = attention_s8(*held.unbind(2), **OPTIONS)
    other = packed(1, 128, 12, 64)
    held.copy_(other)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(out.cpu(), attention_s8(*other.unbind(2), **OPTIONS))
