"""Folding a batch normalization rounds once, and is left where it would change the function."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, random, seeded, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.quantize.traced import TracedModel  # noqa: E402


def normalizations(model: TracedModel) -> int:
    return sum("batch_norm" in str(node.target) for node in model.graph.graph.nodes)


def computes(model: nn.Module, found: TracedModel, *shape: int) -> None:
    """Fewer than 100 products and roundings on values below 16: each rounding is 2^-24 of that at most."""
    with torch.no_grad():
        torch.testing.assert_close(found.graph(random(*shape)), model(random(*shape)), rtol=0, atol=100 * 2**-20)


def folded(product: nn.Module, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias in float64, rounded once."""
    ones = torch.ones(norm.num_features)
    weight, shift = (norm.weight, norm.bias) if norm.affine else (ones, 0 * ones)
    factor = weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = torch.zeros(norm.num_features).double() if product.bias is None else product.bias.double()
    matrix = product.weight.double() * factor.reshape(-1, *[1] * (product.weight.dim() - 1))
    return matrix.float(), (bias * factor + shift.double() - norm.running_mean.double() * factor).float()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("groups", [1, 4])
def test_convolutions_are_exact_against_float64(bias: bool, affine: bool, groups: int) -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, bias=bias, groups=groups), nn.BatchNorm2d(8, affine=affine))
    )
    found = traced(model, 2, 4, 6, 6)
    weight, shift = folded(*model)
    assert normalizations(found) == 0
    assert torch.equal(found.weight(found.layers[0]), weight)
    # The last step may be in another order there, so that float64 rounds once more before float32 does.
    torch.testing.assert_close(found.bias(found.layers[0]), shift, rtol=2**-23, atol=0)
    computes(model, found, 2, 4, 6, 6)


def test_linear_layers_with_rows_fold() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU()))
    found = traced(model, 3, 6)
    assert (normalizations(found), found.layers[0].fused) == (0, ("bias", "relu"))
    assert torch.equal(found.weight(found.layers[0]), folded(model[0], model[1])[0])
    computes(model, found, 3, 6)


def test_tokens_are_normalized_along_the_length_and_stay_so() -> None:
    """BatchNorm1d of [B, L, N] normalizes L; of as many features as tokens nothing else would tell."""
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5)))
    found = traced(model, 3, 5, 6)
    assert normalizations(found) == 1
    computes(model, found, 3, 5, 6)


def twice_read(self: Lambda, x: torch.Tensor) -> torch.Tensor:
    y = self.conv(x)
    return self.norm(y) + y


@pytest.mark.parametrize(
    "forward",
    [twice_read, lambda self, x: self.norm(self.conv(x).relu()), lambda self, x: self.conv(self.norm(x))],
    ids=["read twice", "after an activation", "before the product"],
)
def test_after_something_else_they_stay(forward: object) -> None:
    model = seeded(lambda: Lambda(forward, conv=nn.Conv2d(4, 4, 3), norm=nn.BatchNorm2d(4)))
    found = traced(model, 2, 4, 6, 6)
    assert normalizations(found) == 1
    computes(model, found, 2, 4, 6, 6)


def test_statistics_of_the_batch_stay() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    found = traced(model, 2, 4, 6, 6)
    assert normalizations(found) == 1
    computes(model, found, 2, 4, 6, 6)
