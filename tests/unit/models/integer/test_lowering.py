"""Integer models: bit for bit the same by the exact path and by the kernels' source, near the simulation, no detour."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="integer models are torch's: pip install 'immabench[models]'")

from small_models import Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.models.integer import lower  # noqa: E402
from immabench.models.integer.reference import Reference  # noqa: E402
from immabench.models.torch_compat import import_transformers  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.recipes import Recipe  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

STATIC = {"calibrator": "minmax", "residuals": True}
SYMMETRIC = {**STATIC, "symmetric": True}
TOKEN = {"scales": "token", "symmetric": True}
STEPS = {"bits": 4, "granularity": "group", "group": 32, "steps": True}

RECIPES: dict[str, dict[str, Any]] = {
    "w8a8": {"weights": {}, "activations": STATIC},
    "w8a8-symmetric": {"weights": {}, "activations": SYMMETRIC},
    "w8a8-tensor-scales": {"weights": {"granularity": "tensor"}, "activations": STATIC},
    "float-residuals": {"weights": {}, "activations": {"calibrator": "minmax"}},
    "corrected": {"weights": {}, "activations": STATIC, "methods": {"bias_correction": True}},
    "by-tensor": {"weights": {}, "activations": {"scales": "tensor"}},
    "w8a8-fp16": {"floats": "fp16", "weights": {}, "activations": {"calibrator": "minmax"}},
    "w4a8": {"weights": {"bits": 4}, "activations": STATIC, "layers": {"stem": {"weights": {"bits": 8}}}},
    "w4a8-without-kernels": {"weights": {"bits": 4}, "activations": STATIC},
    "w6a6": {"weights": {"bits": 6}, "activations": {**STATIC, "bits": 6}},
}

TEXT_RECIPES: dict[str, dict[str, Any]] = {
    "w8a8": {"weights": {}, "activations": {"calibrator": "minmax"}},
    "attention": {"weights": {}, "activations": {"calibrator": "minmax", "attention": True}},
    "dynamic": {"weights": {}, "activations": TOKEN},
    "dynamic-asymmetric": {"weights": {}, "activations": {"scales": "token"}},
    "steps": {"weights": STEPS, "activations": TOKEN},
    "steps-asymmetric": {"weights": {**STEPS, "symmetric": False}, "activations": {"calibrator": "minmax"}},
    "w8a16": {"floats": "bf16", "weights": {}},
    "w4a16": {"floats": "fp16", "weights": {"bits": 4, "granularity": "group", "group": 32, "symmetric": False}},
    "w4a4": {"weights": {"bits": 4}, "activations": {**TOKEN, "bits": 4}},
    "w4a4-static": {"weights": {"bits": 4}, "activations": {"calibrator": "minmax", "bits": 4}},
}


def quantized(model: TracedModel, inputs: tuple[torch.Tensor, ...], **tables: Any) -> QuantizedModel:
    """`model` with a recipe, calibrated with one batch."""
    recipe = Recipe.model_validate({"name": "r", **tables})
    seen = observe(model, [inputs]) if recipe.needs_calibration else None
    return ptq.quantize(model, recipe, seen)


@cache
def resnet() -> TracedModel:
    """A small ResNet."""
    return traced(small_resnet(), 2, 3, 8, 8)


@cache
def encoder() -> tuple[TracedModel, tuple[torch.Tensor, ...]]:
    """DistilBERT of one layer with two heads of 32, with tokens of two lengths."""
    transformers = import_transformers()

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = transformers.DistilBertConfig(dim=64, n_layers=1, n_heads=2, hidden_dim=128, vocab_size=50)
            self.encoder = transformers.DistilBertForSequenceClassification(config)

        def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.encoder(input_ids=tokens, attention_mask=mask).logits

    inputs = tokens(3, 9)
    return TracedModel.of(seeded(Logits), inputs, ({0: "batch", 1: "length"},) * 2), inputs


def tokens(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, length // 2 :] = 0
    return torch.randint(0, 50, (batch, length), generator=torch.Generator().manual_seed(length)), mask


def decibels(found: torch.Tensor, want: torch.Tensor) -> float:
    """Signal to noise."""
    found, want = found.detach(), want.detach()
    return float(10 * torch.log10(want.square().sum() / (found - want).square().sum().clamp(min=1e-30)))


IMAGES = random(6, 3, 8, 8, seed=5)


@pytest.mark.parametrize("name", RECIPES)
def test_convolutional_models_by_every_recipe(name: str) -> None:
    made = quantized(resnet(), (IMAGES,), **RECIPES[name])
    found, want = lower(made)(IMAGES), made(IMAGES)
    # A value at the edge between two codes may fall to either side of it, as one sum is exact and the other is not:
    # few do, and what they cost is at most half of what quantization does.
    assert decibels(found, want) > decibels(want, resnet().graph(IMAGES)) + 3
    assert found.dtype == torch.float32


@pytest.mark.parametrize("name", TEXT_RECIPES)
def test_encoders_by_every_recipe(name: str) -> None:
    model, inputs = encoder()
    made = quantized(model, inputs, **TEXT_RECIPES[name])
    assert decibels(lower(made)(*inputs), made(*inputs)) > decibels(made(*inputs), model.graph(*inputs)) + 3


@pytest.mark.parametrize("name", RECIPES)
def test_the_kernels_source_gives_the_same_bits_of_images(name: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    made = quantized(resnet(), (IMAGES,), **RECIPES[name])
    assert torch.equal(lower(made, "emulated")(IMAGES[:2]), lower(made)(IMAGES[:2]))


@pytest.mark.parametrize("name", [one for one in TEXT_RECIPES if "a16" not in one])
def test_the_kernels_source_gives_the_same_bits_of_tokens(name: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    model, inputs = encoder()
    made = quantized(model, inputs, **TEXT_RECIPES[name])
    assert torch.equal(lower(made, "emulated")(*inputs), lower(made)(*inputs))


@pytest.mark.parametrize("name", RECIPES)
def test_the_oracles_give_the_same_bits_of_images(name: str) -> None:
    model = lower(quantized(resnet(), (IMAGES,), **RECIPES[name]))
    reference = Reference(model)
    reference.records_of(IMAGES)
    assert torch.equal(reference.output, model(IMAGES))


@pytest.mark.parametrize("name", [one for one in TEXT_RECIPES if "a16" not in one])
def test_the_oracles_give_the_same_bits_of_tokens(name: str) -> None:
    model, inputs = encoder()
    found = lower(quantized(model, inputs, **TEXT_RECIPES[name]))
    reference = Reference(found)
    reference.records_of(*inputs)
    assert torch.equal(reference.output, found(*inputs))


def test_between_layers_of_int8_there_are_codes_and_nothing_else() -> None:
    model = lower(quantized(resnet(), (IMAGES,), **RECIPES["w8a8"]))
    found = Counter(step.operator for step in model.steps)
    flatten = {"aten.flatten.using_ints": 1}
    assert found == {"quantize": 1, "conv2d_s8": 6, "max_pool2d": 1, "avg_pool2d": 1, "gemm_s8": 1, **flatten}
    outputs = {name: record.output for name, record in model.records(IMAGES).items()}
    assert set(outputs) == {layer.name for layer in resnet().layers}
    assert {name for name, out in outputs.items() if out.dtype != torch.int8} == {"head"}


def test_a_value_read_as_codes_and_as_floats_is_made_once_and_converted() -> None:
    model = lower(quantized(resnet(), (IMAGES,), **RECIPES["float-residuals"]))
    conversions = [step for step in model.steps if step.converts]
    assert len({step.name for step in conversions}) == len(conversions)
    assert not [step for step in conversions if step.operator == "dequantize"], "floats are there before codes"


def test_codes_of_a_first_layer_are_those_of_the_simulation_but_at_edges() -> None:
    made = quantized(resnet(), (IMAGES,), **RECIPES["w8a8"])
    codes = lower(made).records(IMAGES)["stem"].output
    seen: list[torch.Tensor] = []
    next(probe for name, probe in made._made.probes.items() if name.startswith("relu")).watchers.append(seen.append)
    made(IMAGES)
    with_ = made.parameters_of["same.conv1.input"]
    want = (seen[0] / with_.scale).round().add(with_.zero_point).clamp(with_.qmin, with_.qmax)
    assert (codes - want).abs().max() <= 1
    assert (codes == want).float().mean() > 0.999


def test_what_no_operator_computes_stays_simulated_and_is_listed() -> None:
    made = quantized(resnet(), (IMAGES,), **RECIPES["w6a6"])
    model = lower(made)
    notes = {step.layer: step.note for step in model.steps if step.note}
    assert set(notes) == {layer.name for layer in resnet().layers}
    assert notes["stem"] == "no kernel here computes a convolution of w6a6"
    assert torch.equal(model(IMAGES), made(IMAGES)), "the very operators of the simulation"


def test_relu6_ends_at_the_code_of_six() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.second(functional.relu6(self.first(x)))

    model = traced(seeded(lambda: Lambda(forward, first=nn.Conv2d(3, 8, 3), second=nn.Conv2d(8, 4, 1))), 2, 3, 8, 8)
    calm = random(4, 3, 8, 8) / 4
    made = quantized(model, (calm,), weights={}, activations={**STATIC, "symmetric": True})
    six = round(6 / made.parameters_of["second.input"].scale)
    wide = quantized(model, (20 * calm,), weights={}, activations={**STATIC, "symmetric": True})
    assert six > 127, "calm values never come near six"
    found = lower(wide).records(20 * calm)["first"].output
    assert found.max() == round(6 / wide.parameters_of["second.input"].scale) == 127
    coarse = quantized(model, (20 * calm,), weights={}, activations=STATIC, layers={"second": {"floats": True}})
    assert lower(coarse).records(20 * calm)["first"].output.max() == 6.0


POOLINGS = {
    "whole": nn.AdaptiveAvgPool2d(1),
    "quarters": nn.AdaptiveAvgPool2d(2),
    "windows": nn.AvgPool2d(2),
    "with_padding": nn.AvgPool2d(3, 2, 1),
    "without_padding": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "uneven": nn.AdaptiveAvgPool2d(3),
    "beyond": nn.AvgPool2d(3, 2, ceil_mode=True),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings(name: str) -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.pool(self.first(x).relu()))

    parts = {"first": nn.Conv2d(3, 8, 3, padding=1), "pool": POOLINGS[name], "last": nn.Conv2d(8, 4, 1)}
    made = quantized(traced(seeded(lambda: Lambda(forward, **parts)), 2, 3, 8, 8), (IMAGES,), **RECIPES["w8a8"])
    model = lower(made)
    assert decibels(model(IMAGES), made(IMAGES)) > 35
    by_operator = [step.operator for step in model.steps if step.layer == "pool"]
    assert ("avg_pool2d" in by_operator) == (name not in ("uneven", "beyond"))
    assert all(step.note for step in model.steps if step.layer == "pool" and name in ("uneven", "beyond"))


def test_images_of_another_size_are_divided_anew_or_refused() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.pool(self.first(x).relu()))

    parts = {"first": nn.Conv2d(3, 8, 3, padding=1), "pool": nn.AdaptiveAvgPool2d(2), "last": nn.Conv2d(8, 4, 1)}
    made = quantized(traced(seeded(lambda: Lambda(forward, **parts)), 2, 3, 8, 8), (IMAGES,), **RECIPES["w8a8"])
    larger = random(2, 3, 12, 16, seed=1)
    assert decibels(lower(made)(larger), made(larger)) > 35
    with pytest.raises(UsageError, match=r"windows of \[9, 8\] to \[2, 2\] are of different sizes; give images"):
        lower(made)(random(2, 3, 9, 8))


def test_means_without_dimensions_kept() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).relu().mean((2, 3)))

    model = traced(seeded(lambda: Lambda(forward, first=nn.Conv2d(3, 8, 3), last=nn.Linear(8, 4))), 2, 3, 8, 8)
    made = quantized(model, (IMAGES,), **RECIPES["w8a8"])
    assert decibels(lower(made)(IMAGES), made(IMAGES)) > 35


def test_shortcuts_of_slices_and_zeros_are_codes() -> None:
    model = architecture("resnet20").traced
    images = random(2, 3, 32, 32)
    found = lower(quantized(model, (images,), **RECIPES["w8a8"]))
    assert [step.name for step in found.steps if step.converts] == ["conv1/quantize"]
    assert {one.output.dtype for name, one in found.records(images).items() if name != "linear"} == {torch.int8}


@pytest.mark.parametrize("name", ["attention", "dynamic"])
def test_batch_and_length_are_free(name: str) -> None:
    model, inputs = encoder()
    made = quantized(model, inputs, **TEXT_RECIPES[name])
    found, others = lower(made), tokens(2, 14)
    assert decibels(found(*others), made(*others)) > 20
    alone = [found(*(one[i : i + 1] for one in others)) for i in range(2)]
    assert torch.equal(torch.cat(alone), found(*others)), "samples of a batch do not see each other"


def test_masks_with_holes_are_refused() -> None:
    model, inputs = encoder()
    found = lower(quantized(model, inputs, **TEXT_RECIPES["attention"]))
    mask = inputs[1].clone()
    mask[1, 2] = 0
    with pytest.raises(UsageError, match="a mask of attention has holes, or differs by query; pad at the end"):
        found(inputs[0], mask)


def test_heads_without_a_kernel_stay_simulated() -> None:
    known = architecture("distilbert")
    made = quantized(known.traced, known.inputs, **TEXT_RECIPES["attention"])
    model = lower(made)
    notes = {step.note for step in model.steps if step.layer.endswith(".attention")}
    assert notes == {"heads of 8 have no kernel: those of 32, 64, 128 have"}
    assert decibels(model(*known.inputs), made(*known.inputs)) > 30


def test_layer_norms_are_one_kernel_with_their_codes() -> None:
    model, inputs = encoder()
    for name in ("attention", "dynamic"):
        steps = lower(quantized(model, inputs, **TEXT_RECIPES[name])).steps
        operators = Counter(step.operator for step in steps)
        assert operators["layernorm_quantize"] == 3
        assert operators["aten.layer_norm.default"] == 0


def test_what_is_made_on_a_device_moves_with_the_model() -> None:
    model, inputs = encoder()
    found = lower(quantized(model, inputs, **TEXT_RECIPES["attention"])).on("meta")
    devices = {value.device.type for value in found.state_dict().values()}
    assert devices == {"meta"}
    given = [one for node in found.graph.graph.nodes for one in (*node.args, *node.kwargs.values())]
    assert {one.type for one in given if isinstance(one, torch.device)} == {"meta"}


def test_times_of_every_step() -> None:
    model = lower(quantized(resnet(), (IMAGES,), **RECIPES["w8a8"]))
    times = model.timed(IMAGES)
    assert [one.step for one in times] == list(model.steps)
    assert all(one.seconds > 0 for one in times)
    by_layer = {one.step.name: one.kernel for one in times}
    assert by_layer["stem"] in ("cpu:multiply_s8", "torch:mm")
    assert (by_layer["stem/quantize"], by_layer["pool"]) == ("cpu:quantize", "cpu:max_pool2d")


def test_kernels_that_are_emulated_are_named() -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    model = lower(quantized(resnet(), (IMAGES,), **RECIPES["w8a8"]), "emulated")
    by_layer = {one.step.name: one.kernel for one in model.timed(IMAGES[:1])}
    assert by_layer["stem"].startswith(("imma_conv_s8s8s32_", "wgmma_conv_s8s8s32_"))
    assert by_layer["pool"].startswith("max_pool2d_")
