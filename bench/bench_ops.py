"""Speed of the operators on the CPU, exact to the bit, against fp32 by torch: ratios of medians, taken in turn."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from immabench import ops  # noqa: E402

ROUNDS = 15
Figure = Callable[[str], None]
Pair = tuple[Callable[[], Any], Callable[[], Any]]
"""The operator, and what it stands for in fp32."""


def codes(*shape: int) -> Any:
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def linear(operator: Any, m: int, n: int, k: int) -> Pair:
    """A layer with a bias: int8 in and out, scales of channels."""
    packed = ops.pack_weights(codes(n, k // 2).view(torch.uint8)) if operator is ops.gemm_w4a8 else codes(n, k)
    a, floats = codes(m, k), torch.nn.Linear(k, n)
    options = {"output_type": "s8", "col_scale": torch.rand(n), "bias": torch.rand(n), "out_scale": torch.rand(1) + 1}
    x = a.float()
    return lambda: operator(a, packed, **options), lambda: floats(x)


def convolution(height: int, channels: int, filters: int, images: int = 8) -> Pair:
    """A 3 x 3 of ResNet-18 with ReLU."""
    image, weights = codes(images, height, height, channels), codes(filters, 3, 3, channels)
    options = {"output_type": "s8", "col_scale": torch.rand(filters), "out_scale": torch.rand(1) + 1}
    x, floats = image.float().permute(0, 3, 1, 2), weights.float().permute(0, 3, 1, 2)
    exact = lambda: ops.conv2d_s8(image, weights, padding=(1, 1), activation="relu", **options)  # noqa: E731
    return exact, lambda: torch.nn.functional.conv2d(x, floats, padding=1).relu_()


def attention(tokens: int, heads: int = 12, depth: int = 64) -> Pair:
    """DistilBERT's, int8 out."""
    q, k, v = codes(3, 1, tokens, heads, depth)
    floats = [x.float().transpose(1, 2) for x in (q, k, v)]
    exact = lambda: ops.attention_s8(q, k, v, 2e-4, 0.02, output_type="s8", out_scale=0.02)  # noqa: E731
    return exact, lambda: torch.nn.functional.scaled_dot_product_attention(*floats)


def pooling(height: int, channels: int, images: int = 8) -> Pair:
    """ResNet-18's 3 x 3 of largest values."""
    image = codes(images, height, height, channels)
    x = image.float().permute(0, 3, 1, 2)
    exact = lambda: ops.max_pool2d(image, [3, 3], [2, 2], [1, 1])  # noqa: E731
    return exact, lambda: torch.nn.functional.max_pool2d(x, 3, 2, 1)


def normalisation(rows: int, columns: int) -> Pair:
    """LayerNorm of a sum; the codes of its rows beside it."""
    x, residual = torch.randn(rows, columns), torch.randn(rows, columns)
    gamma, beta = torch.rand(columns), torch.rand(columns)
    exact = lambda: ops.layernorm_quantize(x, gamma, beta, residual=residual)[0]  # noqa: E731
    return exact, lambda: torch.nn.functional.layer_norm(x + residual, (columns,), gamma, beta)


LAYERS: dict[str, Callable[[], Pair]] = {
    "gemm_s8, a DistilBERT projection, 128 tokens": lambda: linear(ops.gemm_s8, 128, 768, 768),
    "gemm_s8, its first feed-forward layer": lambda: linear(ops.gemm_s8, 128, 3072, 768),
    "gemm_w4a8, its first feed-forward layer": lambda: linear(ops.gemm_w4a8, 128, 3072, 768),
    "conv2d_s8, ResNet-18's 56x56x64, 8 images": lambda: convolution(56, 64, 64),
    "conv2d_s8, ResNet-18's 14x14x256, 8 images": lambda: convolution(14, 256, 256),
    "attention_s8, DistilBERT's, 128 tokens": lambda: attention(128),
    "max_pool2d, ResNet-18's 112x112x64, 8 images": lambda: pooling(112, 64),
    "layernorm_quantize, DistilBERT's, 128 tokens": lambda: normalisation(128, 768),
}


def seconds(call: Callable[[], Any]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


@pytest.mark.parametrize("name", LAYERS)
def test_exact_operators(benchmark: BenchmarkFixture, figure: Figure, name: str) -> None:
    """One and the other in turn, so that other work on the machine meets both alike."""
    exact, floats = LAYERS[name]()
    times: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: times.append((seconds(exact), seconds(floats))), rounds=ROUNDS, warmup_rounds=2)
    assert exact().dtype == torch.int8
    if benchmark.stats:
        ours, theirs = (median(column) * 1e3 for column in zip(*times[2:], strict=True))
        benchmark.extra_info |= {"exact_ms": ours, "fp32_ms": theirs}
        figure(f"{name}: {ours:.2f} ms exact, {theirs:.2f} ms in fp32, {theirs / ours:.2f}x")
