"""Quantized models: what recipes make of a model, and that everything can be switched back."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.quantize import TensorScheme, calibrate, ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.quantizers import Rounding, StaticQuantizer  # noqa: E402
from immabench.quantize.recipes import Recipe, WeightRecipe  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402
from immabench.quantize.weights import quantize_weight  # noqa: E402

STATIC = {"calibrator": "minmax"}
IMAGES = random(6, 3, 8, 8, seed=5)


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate({"name": "r", **tables})


def quantized(model: TracedModel, *batch: torch.Tensor, **tables: Any) -> QuantizedModel:
    """`model` with a recipe, calibrated with one batch."""
    made = recipe(**tables)
    prepared = ptq.prepare(model, made)
    return ptq.quantize(prepared, made, observe(prepared, [batch]) if batch else None)


@pytest.fixture(scope="module")
def resnet() -> TracedModel:
    """A small ResNet."""
    return traced(small_resnet(), 2, 3, 8, 8)


def two_layers() -> tuple[nn.Module, TracedModel]:
    """Convolutions a and b of relu(a), b adding what it reads, then a linear layer of the average."""

    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x).relu()
        return self.head(functional.adaptive_avg_pool2d((self.b(y) + y).relu(), 1).flatten(1))

    parts = {"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 3, padding=1), "head": nn.Linear(4, 2)}
    model = seeded(lambda: Lambda(forward, **parts))
    return model, traced(model, 2, 3, 8, 8)


@pytest.mark.parametrize("residuals", [False, True])
def test_what_a_model_computes_by_hand(residuals: bool) -> None:
    model, found = two_layers()
    made = quantized(found, IMAGES, weights={"bits": 4}, activations={**STATIC, "bits": 5, "residuals": residuals})
    seen = observe(found, [(IMAGES,)])
    layers = {layer.name: layer for layer in found.layers}

    def codes(operand: str, values: torch.Tensor) -> torch.Tensor:
        stored = next(one.stored for layer in found.layers for one in layer.operands if one.name == operand)
        return StaticQuantizer(calibrate(seen.observers[stored], TensorScheme(5, False), "minmax"))(values)

    def weight(name: str) -> torch.Tensor:
        return quantize_weight(found.weight(layers[name]), WeightRecipe(bits=4)).values()

    with torch.no_grad():
        y = functional.conv2d(codes("a.input", IMAGES), weight("a"), model.a.bias).relu()
        residual = codes("b.residual", y) if residuals else y
        z = (functional.conv2d(codes("b.input", y), weight("b"), model.b.bias, padding=1) + residual).relu()
        pooling = next(layer for layer in found.layers if layer.kind == "pooling")
        pooled = functional.adaptive_avg_pool2d(codes(pooling.input.name, z) if residuals else z, 1).flatten(1)
        want = functional.linear(codes("head.input", pooled), weight("head"), model.head.bias)
    assert torch.equal(made(IMAGES), want)


@pytest.mark.parametrize(
    "tables",
    [
        {"weights": {}, "activations": {**STATIC, "residuals": True}},
        {"weights": {"bits": 2}, "methods": {"bias_correction": True}},
        {"weights": {"bits": 4}, "activations": {"scales": "tensor"}},
        {"weights": {"bits": 3}, "methods": {"equalize": True}},
    ],
)
def test_switched_off_it_is_floats_bit_for_bit(resnet: TracedModel, tables: dict[str, Any]) -> None:
    made = quantized(resnet, IMAGES, **tables)
    names = [layer.name for layer in resnet.layers]
    whole = made(IMAGES)
    made.switch(names, weights=False, activations=False)
    assert torch.equal(made(IMAGES), made.traced.graph(IMAGES))
    made.switch(names, weights=True, activations=True)
    assert torch.equal(made(IMAGES), whole)
    assert not torch.equal(whole, made.traced.graph(IMAGES))


def test_layers_are_switched_one_by_one() -> None:
    model, found = two_layers()
    made = quantized(found, IMAGES, weights={"bits": 2}, activations={**STATIC, "bits": 2})
    names = [layer.name for layer in found.layers]
    made.switch(names, weights=False, activations=False)
    made.switch(["head"], weights=True, activations=False)
    weights = quantize_weight(model.head.weight, WeightRecipe(bits=2)).values()
    with torch.no_grad():
        y = model.a(IMAGES).relu()
        pooled = functional.adaptive_avg_pool2d((model.b(y) + y).relu(), 1).flatten(1)
        assert torch.equal(made(IMAGES), functional.linear(pooled, weights, model.head.bias))
    made.switch(["head"], weights=False, activations=True)
    stored = made._quantizers["head.input"]
    with torch.no_grad():
        assert torch.equal(made(IMAGES), model.head(stored(pooled)))


def test_a_corrected_bias_is_added_where_there_was_none() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)))
    found, x = traced(model, 2, 6), random(8, 6, seed=1) + 1
    made = quantized(found, x, weights={"bits": 2}, methods={"bias_correction": True})
    plain = quantized(found, x, weights={"bits": 2})
    assert made.biases["2"].abs().max() > 0
    assert not torch.equal(made(x), plain(x))
    with torch.no_grad():
        hidden = functional.linear(x, made.weights["0"].values(), made.biases["0"]).relu()
        assert torch.equal(made(x), functional.linear(hidden, made.weights["2"].values(), made.biases["2"]))
    made.switch(["0", "2"], weights=False, activations=False)
    assert torch.equal(made(x), found.graph(x))


def test_equal_readers_share_a_quantizer(resnet: TracedModel) -> None:
    made = quantized(resnet, IMAGES, weights={}, activations=STATIC)
    assert made._quantizers["wider.conv1.input"] is made._quantizers["wider.downsample.input"]
    made(IMAGES)
    assert all(shared._last is None for shared in made._remembering.values()), "nothing is kept after a run"


def test_residuals_are_codes_only_where_the_plan_says_so(resnet: TracedModel) -> None:
    for residuals in (True, False):
        made = quantized(resnet, IMAGES, weights={}, activations={**STATIC, "residuals": residuals})
        want = {layer.input.name for layer in resnet.products}
        if residuals:
            want |= {one.name for layer in resnet.layers for one in layer.operands}
        assert set(made._quantizers) == want


def test_depthwise_layers_compute_in_floats() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 3, 1)))
    made = quantized(traced(model, 2, 4, 6, 6), random(2, 4, 6, 6), weights={}, activations=STATIC)
    assert set(made.weights) == {"1"}
    assert set(made.parameters_of) == {"1.input"}


def test_size_by_hand() -> None:
    _, found = two_layers()
    floats = 4 * (4 * 27 + 4 + 4 * 36 + 4 + 8 + 2)
    assert quantized(found).size_bytes == floats
    assert quantized(found, floats="bf16").size_bytes == floats // 2
    int8 = (4 * 27 + 4 * 36 + 8) + 4 * (4 + 4 + 2) + 4 * (4 + 4 + 2)
    assert quantized(found, weights={}).size_bytes == int8
    mixed = (4 * 27 + 4 * 4 + 4 * 4) + 4 * (4 * 36 + 4 + 8 + 2)
    assert quantized(found, weights={}, layers={"b": {"floats": True}, "head": {"floats": True}}).size_bytes == mixed


def test_size_counts_what_is_no_layer_and_nothing_twice() -> None:
    model = seeded(lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    found = TracedModel.of(model, (random(2, 5, 8),))
    assert quantized(found).size_bytes == 4 * sum(one.numel() for one in model.parameters())


def test_bf16_is_every_tensor_and_parameter_rounded() -> None:
    model, found = two_layers()
    rounded = Rounding("bf16")
    made = quantized(found, floats="bf16")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data = rounded(parameter)
        y = rounded(model.a(rounded(IMAGES)).relu())
        pooled = rounded(functional.adaptive_avg_pool2d(rounded((model.b(y) + y).relu()), 1)).flatten(1)
        assert torch.equal(made(IMAGES), rounded(model.head(pooled)))


def test_weights_of_groups_beside_bf16_are_rounded_as_kernels_have_them() -> None:
    from immabench.ops import pack_quantized
    from immabench.packing import quantize_weights, weight_scheme

    pytest.importorskip("immabench._native", reason="orders of packed weights are those of compiled kernels")
    model = seeded(lambda: nn.Sequential(nn.Linear(64, 16, bias=False)))
    group = {"bits": 4, "granularity": "group", "group": 32}
    made = quantized(traced(model, 2, 64), floats="bf16", weights=group)
    packed, _ = pack_quantized(
        quantize_weights(model[0].weight.detach().numpy(), weight_scheme("s4_g32")), torch.bfloat16
    )
    assert torch.equal(made._codes["0"][0], packed.values().float())
    by_channel = quantized(traced(model, 2, 64), floats="bf16", weights={"bits": 4})
    assert torch.equal(by_channel._codes["0"][0], by_channel.weights["0"].values()), "scales come after exact sums"


@pytest.mark.parametrize("name", ["bert", "distilbert"])
def test_encoders_by_token(name: str) -> None:
    known = architecture(name)
    made = ptq.quantize(known.traced, recipe(weights={}, activations={"scales": "token"}))
    with torch.no_grad():
        want, got = known.traced.graph(*known.others), made(*known.others)
    assert got.shape == want.shape
    assert 0 < (got - want).norm() < 0.1 * want.norm()


def test_a_run_that_fails_keeps_nothing(resnet: TracedModel) -> None:
    made = quantized(resnet, IMAGES, weights={}, activations=STATIC)
    with pytest.raises(RuntimeError):
        made(random(2, 3, 1, 1))
    assert all(shared._last is None for shared in made._remembering.values())


def test_it_is_a_module_in_evaluation_mode(resnet: TracedModel) -> None:
    made = quantized(resnet, weights={}).eval()
    assert torch.equal(made(IMAGES), made(IMAGES))
    assert not made(IMAGES).requires_grad
