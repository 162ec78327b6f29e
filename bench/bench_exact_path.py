"""Whole models, layer by layer, by the exact path of the CPU, beside the same layers in fp32 by torch, in turn.

ResNet-18 at 224x224 and DistilBERT-384 (6 layers, 12 heads, 1536 in between) at 128 tokens, W8A8, codes between layers.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from torch.nn import functional  # noqa: E402

from immabench import ops  # noqa: E402

ROUNDS = 15
Figure = Callable[[str], None]
Call = Callable[[], Any]


class Layer(NamedTuple):
    """So many layers of a model: by the operator, and in fp32."""

    name: str
    count: int
    exact: Call
    floats: Call


def codes(*shape: int) -> Any:
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def one(value: float) -> Any:
    return torch.tensor([value])


def zero(value: int) -> Any:
    return torch.tensor([value], dtype=torch.int32)


def epilogue(n: int, k: int, b_sum: Any, residual: Any = None) -> dict[str, Any]:
    """Of a layer with codes in and out, zero points on either side: scales of channels, a bias, maybe a residual."""
    options = {"a_zero": zero(3), "b_sum": b_sum, "col_scale": torch.rand(n) * 1e-3, "bias": torch.rand(n)}
    options |= {"output_type": "s8", "out_scale": one(0.02 * k**0.5), "out_zero": zero(-9)}
    given = {"residual": residual, "residual_scale": one(0.02), "residual_zero": zero(1)}
    return options if residual is None else {**options, **given}


def conv(
    batch: int, size: int, channels: int, filters: int, taps: int, stride: int = 1, residual: bool = False
) -> Layer:
    """A convolution with ReLU, of images of `size` pixels either way."""
    image, weights = codes(batch, size, size, channels), codes(filters, taps, taps, channels)
    out, pads = size // stride, (taps // 2, taps // 2)
    added = codes(batch, out, out, filters) if residual else None
    options = epilogue(filters, taps**2 * channels, weights.flatten(1).sum(1, dtype=torch.int32), added)
    x, w, bias = image.float().permute(0, 3, 1, 2), weights.float().permute(0, 3, 1, 2), torch.rand(filters)
    skip = torch.zeros(1) if added is None else added.float().permute(0, 3, 1, 2)
    return Layer(
        f"conv {taps}x{taps}/{stride} {channels}@{size} to {filters}{' + residual' * residual}",
        1,
        lambda: ops.conv2d_s8(image, weights, (stride, stride), pads, activation="relu", **options),
        lambda: functional.conv2d(x, w, bias, stride, taps // 2).add_(skip).relu_(),
    )


def linear(m: int, n: int, k: int, activation: str = "none") -> Layer:
    """A layer with a bias."""
    a, b = codes(m, k), codes(n, k)
    options = epilogue(n, k, b.sum(1, dtype=torch.int32))
    x, floats = a.float(), torch.nn.Linear(k, n)
    after = functional.gelu if activation == "gelu" else (lambda y: y)
    name = f"linear {m}x{n}x{k}{' ' + activation if activation != 'none' else ''}"
    return Layer(name, 1, lambda: ops.gemm_s8(a, b, activation=activation, **options), lambda: after(floats(x)))


def attention(batch: int, tokens: int, heads: int, depth: int) -> Layer:
    q, k, v = (codes(batch, tokens, heads, depth) for _ in range(3))
    floats = [x.float().transpose(1, 2) for x in (q, k, v)]
    return Layer(
        f"attention of {heads} heads of {depth}",
        1,
        lambda: ops.attention_s8(q, k, v, 2e-4, 0.02, output_type="s8", out_scale=0.02),
        lambda: functional.scaled_dot_product_attention(*floats),
    )


def normalisation(rows: int, columns: int) -> Layer:
    """LayerNorm of a sum, quantized for the next layer."""
    x, residual, gamma, beta = (torch.randn(shape) for shape in ((rows, columns), (rows, columns), columns, columns))
    given = {"residual": residual, "scale": one(0.03), "zero_point": zero(2)}
    return Layer(
        f"LayerNorm {rows}x{columns}",
        1,
        lambda: ops.layernorm_quantize(x, gamma, beta, **given),
        lambda: functional.layer_norm(x + residual, (columns,), gamma, beta),
    )


def resnet18(batch: int) -> list[Layer]:
    """With one image, 20 convolutions, two poolings and a linear layer."""
    image, pooled, last = torch.randn(batch, 224, 224, 3), codes(batch, 112, 112, 64), codes(batch, 7, 7, 512)
    wide, deep = (x.float().permute(0, 3, 1, 2) for x in (pooled, last))
    scale = one(0.02)
    layers = [
        Layer("quantize", 1, lambda: ops.quantize(image, scale), lambda: image),
        conv(batch, 224, 3, 64, 7, 2),
        Layer(
            "max pool",
            1,
            lambda: ops.max_pool2d(pooled, [3, 3], [2, 2], [1, 1]),
            lambda: functional.max_pool2d(wide, 3, 2, 1),
        ),
    ]
    for size, channels in ((56, 64), (28, 128), (14, 256), (7, 512)):
        first = 2 if channels == 64 else 1
        layers += [conv(batch, size, channels, channels, 3)._replace(count=first)]
        layers += [conv(batch, size, channels, channels, 3, residual=True)._replace(count=2)]
        if channels < 512:
            layers += [conv(batch, size, channels, 2 * channels, 3, 2), conv(batch, size, channels, 2 * channels, 1, 2)]
    layers += [
        Layer(
            "average pool",
            1,
            lambda: ops.avg_pool2d(last, [7, 7], [7, 7], [0, 0], "s8", scale, scale),
            lambda: functional.avg_pool2d(deep, 7),
        ),
        linear(batch, 1000, 512),
    ]
    return layers


def distilbert(batch: int, tokens: int = 128) -> list[Layer]:
    """Six layers, without embeddings and classifier."""
    rows = batch * tokens
    return [
        linear(rows, 384, 384)._replace(count=24),
        attention(batch, tokens, 12, 32)._replace(count=6),
        linear(rows, 1536, 384, "gelu")._replace(count=6),
        linear(rows, 384, 1536)._replace(count=6),
        normalisation(rows, 384)._replace(count=12),
    ]


MODELS: dict[str, Callable[[int], list[Layer]]] = {"ResNet-18": resnet18, "DistilBERT-384": distilbert}


def seconds(call: Call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("name", MODELS)
def test_exact_path(benchmark: BenchmarkFixture, figure: Figure, name: str, batch: int) -> None:
    """The model one way and the other in turn, so that other work on the machine meets both alike. Not layer by layer:
    torch's threads look out for work long after a call, on the cores of the next one."""
    layers = MODELS[name](batch)
    times: list[list[tuple[float, float]]] = []

    def one_round() -> None:
        exact, floats = [seconds(layer.exact) for layer in layers], [seconds(layer.floats) for layer in layers]
        times.append(list(zip(exact, floats, strict=True)))

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=2)
    if not benchmark.stats:
        return
    totals = [0.0, 0.0]
    for layer, rounds in zip(layers, zip(*times[2:], strict=True), strict=True):
        exact, floats = (median(column) * 1e3 for column in zip(*rounds, strict=True))
        totals[0] += layer.count * exact
        totals[1] += layer.count * floats
        figure(f"{name}, {batch}: {layer.count} x {layer.name}: {exact:.3f} ms exact, {floats:.3f} ms in fp32")
    benchmark.extra_info |= {"exact_ms": totals[0], "fp32_ms": totals[1]}
    figure(
        f"{name}, {batch}, its layers: {totals[0]:.2f} ms exact, {totals[1]:.2f} ms in fp32, "
        f"{totals[1] / totals[0]:.2f}x"
    )
