"""Tracing: every kind of product becomes the GEMM that arithmetic says, and none is missed."""

from __future__ import annotations

from math import prod

import pytest

torch = pytest.importorskip("torch", reason="tracing needs torch: pip install 'immabench[models]'")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from immabench.convolution import Convolution  # noqa: E402
from immabench.errors import ImmabenchError  # noqa: E402
from immabench.models.tracing import TracedGemm, trace  # noqa: E402


def traced(module: nn.Module, *shapes: tuple[int, ...]) -> list[TracedGemm]:
    """The products of `module` for float inputs of these shapes, without data."""
    return trace(module.to("meta").eval(), *(torch.zeros(shape, device="meta") for shape in shapes))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolution_is_its_implicit_gemm(stride: int, padding: int, dilation: int, groups: int) -> None:
    convolution = nn.Conv2d(6, 12, (3, 2), stride=stride, padding=padding, dilation=dilation, groups=groups, bias=False)
    height = (17 + 2 * padding - dilation * 2 - 1) // stride + 1
    width = (11 + 2 * padding - dilation - 1) // stride + 1
    geometry = Convolution(5, 17, 11, 6, (3, 2), (stride, stride), (padding, padding), (dilation, dilation))
    conv = str(geometry) if groups == 1 else ""
    sizes = (5 * height * width, 12 // groups, 6 // groups * 6)
    assert traced(convolution, (5, 6, 17, 11)) == [TracedGemm("model", "convolution", *sizes, groups, conv=conv)]


def test_convolutions_of_other_ranks() -> None:
    assert traced(nn.Conv1d(4, 8, 3), (2, 4, 10)) == [TracedGemm("model", "convolution", 16, 8, 12, bias=True)]
    assert traced(nn.Conv3d(4, 8, 3), (1, 4, 5, 5, 5)) == [TracedGemm("model", "convolution", 27, 8, 108, bias=True)]


@pytest.mark.parametrize("lead", [(), (1,), (7,), (3, 5), (2, 3, 5)])
@pytest.mark.parametrize("bias", [False, True])
def test_linear_has_as_many_rows_as_vectors(lead: tuple[int, ...], bias: bool) -> None:
    (gemm,) = traced(nn.Linear(16, 9, bias=bias), (*lead, 16))
    assert (gemm.kind, gemm.m, gemm.n, gemm.k, gemm.batch) == ("linear", prod(lead), 9, 16, 1)
    assert gemm.bias or not bias


class Vectors(nn.Module):
    """A matrix [9, 16] times a vector [16], bare and with a bias."""

    def forward(self, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """a [9, 16], x [16]."""
        return torch.addmv(a @ x, a, x)


def test_a_matrix_times_a_vector_is_a_batch_of_one() -> None:
    bare, biased = traced(Vectors(), (9, 16), (16,))
    assert (bare.m, bare.n, bare.k, bare.bias) == (1, 9, 16, False)
    assert (biased.m, biased.n, biased.k, biased.bias) == (1, 9, 16, True)


class Products(nn.Module):
    """Batched products by three spellings."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """a [2, 3, 4, 8], b [2, 3, 8, 5]."""
        torch.baddbmm(torch.zeros(6, 4, 5, device=a.device), a.flatten(0, 1), b.flatten(0, 1))
        torch.einsum("xymk,xykn->xymn", a, b)
        return a @ b


def test_batched_products_are_counted_one_by_one_and_numbered() -> None:
    gemms = traced(Products(), (2, 3, 4, 8), (2, 3, 8, 5))
    assert [gemm.name for gemm in gemms] == ["model:matmul", "model:matmul#2", "model:matmul#3"]
    assert {(gemm.kind, gemm.m, gemm.n, gemm.k, gemm.batch) for gemm in gemms} == {("matmul", 4, 5, 8, 6)}


class Attention(nn.Module):
    """Query heads 6, key-value heads 2."""

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """query [B, 6, L, E], key [B, 2, S, E], value [B, 2, S, V]."""
        return functional.scaled_dot_product_attention(query, key, value=value, enable_gqa=True)


def test_attention_is_two_products_a_query_head() -> None:
    gemms = traced(Attention(), (3, 6, 10, 8), (3, 2, 12, 8), (3, 2, 12, 16))
    assert gemms == [
        TracedGemm("model:qk", "matmul", 10, 12, 8, batch=18),
        TracedGemm("model:pv", "matmul", 10, 16, 12, batch=18),
    ]


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_attention_is_the_same_whatever_implementation_torch_picks(device: str) -> None:
    inputs = [torch.zeros(2, 4, 16, 8, device=device) for _ in range(3)]
    assert [(g.name, g.m, g.n, g.k, g.batch) for g in trace(Attention(), *inputs)] == [
        ("model:qk", 16, 16, 8, 8),
        ("model:pv", 16, 8, 16, 8),
    ]


class Shared(nn.Module):
    """One layer, run twice, and a nested one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.block = nn.Sequential(nn.Linear(8, 4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [B, 8]."""
        return self.block(self.layer(self.layer(x))) @ torch.zeros(4, 3, device=x.device)


def test_names_are_module_paths() -> None:
    module = Shared()
    assert [gemm.name for gemm in traced(module, (2, 8))] == ["layer", "layer", "block.0", "model"]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules()), "hooks are removed"


@pytest.mark.parametrize("training", [False, True])
def test_multi_head_attention_is_traced_with_and_without_its_fast_path(training: bool) -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).to("meta").train(training)
    inputs = [torch.zeros(3, 5, 8, device="meta") for _ in range(3)]
    projections, products = 4 * (3 * 5 * 8 * 8), 2 * (3 * 2 * 5 * 5 * 4)
    assert sum(gemm.macs for gemm in trace(attention, *inputs)) == projections + products


def test_a_transposed_convolution_is_an_error_that_names_the_module() -> None:
    with pytest.raises(ImmabenchError, match="0: transposed convolution has no GEMM form"):
        traced(nn.Sequential(nn.ConvTranspose2d(4, 4, 3)), (1, 4, 5, 5))


def test_a_product_without_a_recorder_is_an_error() -> None:
    class Integer(nn.Module):
        def forward(self, a: torch.Tensor) -> torch.Tensor:
            return torch._int_mm(a, a)

    with pytest.raises(ImmabenchError, match="model: _int_mm has no GEMM form"):
        trace(Integer(), torch.zeros(32, 32, dtype=torch.int8))


def test_the_total_is_that_of_the_flop_counter_of_torch() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, groups=1),
        nn.Conv2d(8, 8, 3, groups=4),
        nn.Flatten(2),
        nn.Linear(36, 32),
        nn.TransformerEncoderLayer(32, 4, dim_feedforward=48, batch_first=True),
    )
    image = torch.zeros(2, 3, 18, 18)
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert 2 * sum(gemm.macs for gemm in trace(model, image)) == counter.get_total_flops()
