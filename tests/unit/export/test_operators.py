"""Operators of ATen as ONNX has them: ONNX Runtime's values beside torch's, at sizes the trace did not have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import Graph, of, quantized, run, session  # noqa: E402
from small_models import CIFAR, TEXT, VISION, Lambda, architecture, random, seeded  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.export import to_onnx  # noqa: E402
from immabench.export.operators import WRITERS  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

CLOSE = 1e-4
"""Of the largest value: sums of some hundred fp32 products in another order, through at most 50 layers."""


def traced(function: Callable[[Tensor], Tensor], *shape: int, free: dict[int, str]) -> TracedModel:
    """A function of an image or matrix with a linear layer before it, without which there is nothing to quantize."""
    model = seeded(lambda: Lambda(lambda self, x: function(self.first(x)), first=nn.Linear(shape[-1], shape[-1])))
    return TracedModel.of(model, (random(*shape),), (free,))


def same(model: TracedModel, *inputs: Tensor, dimensions: tuple[dict[int, str], ...], opset: int | None = None) -> None:
    made = quantized(model)
    want = made(*inputs)
    want = want[0] if isinstance(want, tuple | list) else want
    got = run(session(to_onnx(made, opset=opset, dimensions=dimensions)), *inputs)["output"]
    assert got.dtype == want.numpy().dtype
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    assert np.abs(got - want.numpy()).max() <= CLOSE * np.abs(want.numpy()).max()


@pytest.mark.parametrize("name", [*VISION, *CIFAR[:1], *TEXT])
def test_known_architectures(name: str) -> None:
    known = architecture(name)
    for inputs in (known.inputs, known.others):
        same(known.traced, *inputs, dimensions=known.dimensions)


IMAGE: dict[str, Callable[[Tensor], Tensor]] = {
    "conv2d.padding": lambda x: functional.conv2d(x, torch.ones(2, 3, 3, 2), padding="same"),
    "conv2d.dilation": lambda x: functional.conv2d(x, torch.ones(3, 1, 3, 3), dilation=2, padding=(1, 2), groups=3),
    "max_pool2d": lambda x: functional.max_pool2d(x, 3, 2, 1),
    "max_pool2d.ceil": lambda x: functional.max_pool2d(x, 3, 2, ceil_mode=True),
    "avg_pool2d": lambda x: functional.avg_pool2d(x, (2, 3), (2, 1), (1, 1), count_include_pad=False),
    "avg_pool2d.stride": lambda x: functional.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: functional.adaptive_avg_pool2d(x, (2, 4)),
    "adaptive_max_pool2d": lambda x: functional.adaptive_max_pool2d(x, 1),
    "mean": lambda x: x.mean((2, 3)),
    "mean.keepdim": lambda x: x.mean((-1, -2), keepdim=True),
    "mean.other": lambda x: x.mean(1),
    "pad": lambda x: functional.pad(x, (1, 2, 0, 0, 3, 1), value=1.5),
    "slice": lambda x: x[:, 1:, ::2, -3:],
    "select": lambda x: x[:, -1],
    "flatten": lambda x: x.flatten(1),
    "reshape": lambda x: x.reshape(x.shape[0], 3, 64).transpose(1, 2),
    "reshape.fold": lambda x: x.reshape(-1, 64),
    "cat": lambda x: torch.cat([x, x * 2], 1),
    "chunk": lambda x: x.chunk(3, 1)[1],
    "batch_norm": lambda x: functional.batch_norm(x, torch.zeros(3), torch.full((3,), 2.0)),
    "squeeze": lambda x: x[:, :1].squeeze(1),
}


@pytest.mark.parametrize("name", IMAGE)
def test_operators_of_images(name: str) -> None:
    same(traced(IMAGE[name], 2, 3, 8, 8, free={0: "batch"}), random(5, 3, 8, 8), dimensions=({0: "batch"},))


TOKENS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu.tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "hardswish": lambda x: functional.hardswish(x) + functional.hardsigmoid(x),
    "leaky_relu": functional.leaky_relu,
    "relu6": functional.relu6,
    "clamp": lambda x: x.clamp(min=-0.25),
    "arithmetic": lambda x: (1 - x) * x / 3 + x**2 - torch.tanh(-x) + torch.exp(x).sqrt(),
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 1),
    "layer_norm": lambda x: functional.layer_norm(x, (8,), torch.full((8,), 2.0), None, 1e-6),
    "layer_norm.bare": lambda x: functional.layer_norm(x, (8,)),
    "softmax": lambda x: x.softmax(-1) + x.log_softmax(1),
    "attention": lambda x: functional.scaled_dot_product_attention(x, x * 2, x + 1),
    "attention.bool": lambda x: functional.scaled_dot_product_attention(x, x, x, attn_mask=x[:, :1, :1] * 0 == 0),
    "attention.float": lambda x: functional.scaled_dot_product_attention(x, x, x, x[:, :1, :1], scale=0.5),
    "matmul": lambda x: x @ x.transpose(-1, -2),
    "where": lambda x: torch.where((x > 0) & ~(x > 1), x, x * 0.5).masked_fill(x <= -1, 3.0),
    "arange": lambda x: x + torch.arange(x.shape[1])[:, None] * torch.arange(2, 18, 2),
    "sizes": lambda x: x + (x.shape[1] * 2 + 1) // 3,
    "view": lambda x: x.view(x.shape[0], x.shape[1], 2, 4).permute(0, 2, 1, 3).reshape(x.shape[0], 2, -1),
    "expand": lambda x: x[:, :1].expand(-1, x.shape[1], -1) + torch.ones(x.shape[1], 8),
    "index": lambda x: x[torch.arange(x.shape[0])[:, None], torch.arange(x.shape[1]) - 1],
    "gather": lambda x: x.gather(1, torch.zeros(x.shape, dtype=torch.long)),
    "cumsum": lambda x: (x > 0).cumsum(1).to(torch.float32) + x,
    "sum": lambda x: x.sum(1) + x.amax(1) - x.amin(1),
    "maximum": lambda x: torch.maximum(x, -x) - torch.minimum(x, x * 2),
}


@pytest.mark.parametrize("name", TOKENS)
def test_operators_of_tokens(name: str) -> None:
    free = {0: "batch", 1: "length"}
    same(traced(TOKENS[name], 3, 5, 8, free=free), random(2, 7, 8), dimensions=(free,))


@pytest.mark.parametrize("opset", [18, 19, 20, 22, 23])
def test_every_opset(opset: int) -> None:
    for name in ("distilbert", "resnet20"):
        known = architecture(name)
        same(known.traced, *known.others, dimensions=known.dimensions, opset=opset)


def test_every_operator_of_known_architectures_has_a_writer() -> None:
    for name in (*VISION, *CIFAR, *TEXT):
        graph = architecture(name).traced.graph.graph
        assert {node.target for node in graph.nodes if node.op == "call_function"} <= set(WRITERS)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.sort(1)[0], "sort.default, in the model, is not exported to ONNX; write the model without it"),
        (
            lambda x: functional.scaled_dot_product_attention(x, x, x, is_causal=True),
            "scaled_dot_product_attention.default with is_causal, in the model, is not exported",
        ),
        (lambda x: functional.pad(x, (1, 1), mode="reflect"), "pad.default with mode reflect"),
        (lambda x: x[x.sum(2) > 0], "index.Tensor with masks or skipped dimensions as indices"),
    ],
)
def test_what_has_no_counterpart_is_named(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        to_onnx(quantized(traced(function, 2, 4, 8, free={})))


def test_the_module_of_an_unknown_operator_is_named() -> None:
    class Sorts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sort(1)[0]

    model = nn.Sequential(nn.Linear(8, 8), Sorts())
    with pytest.raises(UsageError, match=r"^sort.default, in 1, is not exported to ONNX"):
        to_onnx(quantized(TracedModel.of(model, (random(2, 8),))))


def test_nodes_are_named_after_modules() -> None:
    graph = Graph(to_onnx(of(architecture("distilbert"))))
    assert "encoder.distilbert.transformer.layer.0.sa_layer_norm/LayerNormalization" in graph.nodes
    assert "encoder.distilbert.transformer.layer.1.ffn.lin2/MatMul" in graph.nodes
    assert "layer1.0.conv1/Conv" in Graph(to_onnx(of(architecture("resnet18")))).nodes


def test_shapes_that_follow_from_the_input_are_constants() -> None:
    """Views of batch and length need no arithmetic of sizes: one dimension is copied, one inferred."""
    graph = Graph(to_onnx(of(architecture("distilbert"))))
    for name in graph.of_type("Reshape"):
        assert graph.nodes[name].input[1] in graph.constants, name
