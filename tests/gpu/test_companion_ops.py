"""The operators of what stands around a GEMM give on a GPU what they give on the CPU, also from a captured graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from immabench import ops  # noqa: E402

ROWS, COLUMNS = 37, 768
WINDOWS = {"window": [3, 3], "stride": [2, 2], "padding": [1, 1]}
GLOBAL = {"window": [14, 14], "stride": [1, 1], "padding": [0, 0]}


def floats(dtype: Any = torch.float16) -> Any:
    return torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)).to(dtype)


def codes(*shape: int) -> Any:
    return torch.randint(-128, 128, shape, dtype=torch.int8, generator=torch.Generator().manual_seed(2))


def vector(size: int) -> Any:
    return torch.rand(size, generator=torch.Generator().manual_seed(3)) + 0.1


def zero(value: int) -> Any:
    return torch.tensor([value], dtype=torch.int32)


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "quantize": (ops.quantize, {"x": floats(), "scale": vector(COLUMNS), "granularity": "column"}),
    "quantize s4": (ops.quantize, {"x": floats(torch.bfloat16), "scale": vector(1), "code_type": "s4"}),
    "dequantize": (ops.dequantize, {"codes": codes(ROWS, COLUMNS), "scale": vector(1), "output_type": "bf16"}),
    "requantize": (
        ops.requantize,
        {"x": codes(ROWS, COLUMNS).int() * 999, "scale": vector(1), "bias": vector(COLUMNS)},
    ),
    "quantize_dynamic": (ops.quantize_dynamic, {"x": floats(), "asymmetric": True, "row_sums": True}),
    "layernorm_quantize": (
        ops.layernorm_quantize,
        {"x": floats(), "gamma": vector(COLUMNS), "beta": vector(COLUMNS), "residual": floats(), "row_sums": True},
    ),
    "max_pool2d": (ops.max_pool2d, {"x": codes(3, 29, 28, 64), **WINDOWS}),
    "avg_pool2d": (
        ops.avg_pool2d,
        {"x": codes(3, 29, 28, 64), **WINDOWS, "x_scale": vector(1), "scale": vector(1), "zero_point": zero(-7)},
    ),
    "global average": (ops.avg_pool2d, {"x": codes(3, 14, 14, 96), **GLOBAL, "output_type": "f32"}),
}
by_call = pytest.mark.parametrize(("operator", "named"), CALLS.values(), ids=CALLS)


def on_gpu(named: dict[str, Any]) -> dict[str, Any]:
    return {name: value.cuda() if isinstance(value, torch.Tensor) else value for name, value in named.items()}


def expect_bits(got: Any, want: Any) -> None:
    together = zip(*(out if isinstance(out, tuple) else (out,) for out in (got, want)), strict=True)
    for on_device, on_host in together:
        assert on_device.is_cuda
        assert on_device.dtype == on_host.dtype
        assert torch.equal(on_device.cpu().view(torch.uint8), on_host.view(torch.uint8))


@by_call
def test_the_gpu_gives_the_bits_of_the_cpu(operator: Any, named: dict[str, Any]) -> None:
    expect_bits(operator(**on_gpu(named)), operator(**named))


@by_call
def test_a_captured_graph_computes_from_new_inputs(operator: Any, named: dict[str, Any]) -> None:
    """Nothing is copied from the host in a call, so that it can be captured."""
    there = on_gpu(named)
    first = next(name for name in ("x", "codes") if name in there)
    operator(**there)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = operator(**there)
    changed = named[first].flip(0).contiguous()
    there[first].copy_(changed)
    graph.replay()
    torch.cuda.synchronize()
    expect_bits(out, operator(**{**named, first: changed}))
