"""Traced models: what is refused before anything is quantized, and parameters by layer."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, random, seeded, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402


def test_a_model_without_products_is_refused() -> None:
    with pytest.raises(UsageError, match="ReLU has no convolution and no linear layer; there is nothing to quantize"):
        traced(nn.ReLU(), 2, 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(bad: float) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    model[0].weight.data[1, 2] = bad
    with pytest.raises(UsageError, match=r"0\.weight has NaN or infinite values; look at the checkpoint"):
        traced(model, 2, 3)


def test_infinity_in_a_mask_is_no_error_and_nan_is() -> None:
    model = Lambda(lambda self, x: self.linear(x) + self.mask, linear=nn.Linear(3, 3))
    model.register_buffer("mask", torch.tensor([0.0, -float("inf"), 0.0]))
    assert torch.equal(traced(model, 2, 3).graph(random(2, 3)), model(random(2, 3)))
    model.mask[0] = float("nan")
    with pytest.raises(UsageError, match="mask has NaN"):
        traced(model, 2, 3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_models_of_other_types_are_refused(dtype: torch.dtype) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 4))).to(dtype)
    inputs = (random(2, 3).to(dtype),)
    with pytest.raises(UsageError, match=rf"0.weight is {dtype}; give a model of float32: model.float\(\)"):
        TracedModel.of(model, inputs)


def test_a_table_in_float64_beside_float32_layers_is_no_error() -> None:
    model = Lambda(lambda self, x: self.linear((x + self.table).float()), linear=nn.Linear(3, 3))
    model.register_buffer("table", torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    assert torch.equal(traced(model, 2, 3).graph(random(2, 3)), model(random(2, 3)))


def test_copies_do_not_share_parameters() -> None:
    model = traced(nn.Sequential(nn.Linear(3, 4)), 2, 3)
    other = model.copied()
    other.set("0.weight", torch.zeros(4, 3))
    assert model.weight(model.layers[0]).abs().min() > 0
    assert not other.weight(other.layers[0]).any()


def test_parameters_are_those_of_layers() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False), nn.AvgPool2d(1)))
    found = traced(model, 2, 5, 6, 3)
    assert [layer.name for layer in found.products] == ["0", "2"]
    assert [layer.name for layer in found.layers] == ["0", "2", "3"]
    first, second = found.products
    assert torch.equal(found.weight(first), model[0].weight)
    assert torch.equal(found.bias(first), model[0].bias)
    assert found.bias(second) is None
