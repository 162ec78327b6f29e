"""Plans: what each layer does with a recipe, and why where that is not what was asked."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="plans are of traced models: pip install 'immabench[models]'")

from small_models import Lambda, architecture, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.errors import NothingSelectedError, UsageError  # noqa: E402
from immabench.packing.schemes import WEIGHT_SCHEMES  # noqa: E402
from immabench.quantize.layers import Layer  # noqa: E402
from immabench.quantize.plans import LayerPlan, check_layer_names, plan  # noqa: E402
from immabench.quantize.recipes import ActivationRecipe, Recipe, WeightRecipe  # noqa: E402

STATIC = {"calibrator": "minmax"}


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate({"name": "r", **tables})


def layer(kind: str = "linear", depth: int = 64, groups: int = 1) -> Layer:
    return Layer("a", kind, "a", "a", (), (), groups, 1, 8, depth)


def planned(one: Layer, **tables: Any) -> LayerPlan:
    return plan(recipe(**tables), [one])[0]


@pytest.fixture(scope="module")
def layers() -> tuple[Layer, ...]:
    """Those of a small ResNet."""
    return traced(small_resnet(), 2, 3, 8, 8).layers


def test_int8(layers: tuple[Layer, ...]) -> None:
    for one, found in zip(layers, plan(recipe(weights={}, activations=STATIC), layers), strict=True):
        assert (found.layer, found.kind, found.fallback, found.residual) == (one.name, one.kind, "", False)
        operator = {"convolution": "conv2d_s8", "linear": "gemm_s8", "pooling": ""}[one.kind]
        assert (found.operator, found.note) == (operator, "")
        assert found.precision == ("W8A8" if one.is_product else "")


def test_residuals_are_read_as_codes_where_the_recipe_says_so(layers: tuple[Layer, ...]) -> None:
    found = plan(recipe(weights={}, activations={**STATIC, "residuals": True}), layers)
    assert [one.layer for one in found if one.residual] == [one.name for one in layers if one.residual]
    pooling = next(one for one in found if one.kind == "pooling")
    assert pooling.activations == ActivationRecipe(calibrator="minmax", residuals=True)
    assert (pooling.weights, pooling.operator) == (None, "avg_pool2d")


def test_a_pooling_can_be_left_in_floats_by_name(layers: tuple[Layer, ...]) -> None:
    tables = {"weights": {}, "activations": {**STATIC, "residuals": True}, "layers": {"average": {"floats": True}}}
    found = {one.layer: one for one in plan(recipe(**tables), layers)}
    assert found["average"].activations is None
    assert found["head"].activations is not None


def test_later_patterns_are_over_earlier_ones(layers: tuple[Layer, ...]) -> None:
    differences = {
        "same.*": {"weights": {"bits": 4}, "activations": {"calibrator": "mse"}},
        "*.conv1": {"weights": {"bits": 6}},
        "head": {"floats": True},
    }
    found = {one.layer: one for one in plan(recipe(weights={}, activations=STATIC, layers=differences), layers)}
    assert found["same.conv1"].precision == "W6A8"
    assert found["same.conv1"].activations.calibrator == "mse"
    assert [found[name].precision for name in ("same.conv2", "wider.conv1", "stem", "head")] == [
        "W4A8",
        "W6A8",
        "W8A8",
        "",
    ]


def test_patterns_that_make_no_pair_together_are_refused_with_the_layer(layers: tuple[Layer, ...]) -> None:
    tables = {
        "weights": {"bits": 4},
        "activations": STATIC,
        "layers": {"same.*": {"weights": {"bits": 8}}, "*.conv1": {"activations": {"bits": 4}}},
    }
    with pytest.raises(UsageError, match=r"^same\.conv1: W8A4: .*; look at all patterns of \[layers\] that match it$"):
        plan(recipe(**tables), layers)


def test_unknown_layers_give_the_nearest(layers: tuple[Layer, ...]) -> None:
    with pytest.raises(NothingSelectedError, match=r"no layer matches 'same\.conv3'; nearest: same\.conv"):
        plan(recipe(weights={}, layers={"same.conv3": {"floats": True}}), layers)
    with pytest.raises(NothingSelectedError, match="no layer matches 'steam'; nearest: stem"):
        check_layer_names(["head", "steam"], layers)
    with pytest.raises(NothingSelectedError):
        check_layer_names(["average"], layers)
    check_layer_names(["*.conv?", "stem"], layers)


def test_depthwise_convolutions_stay_in_floats() -> None:
    found = planned(layer("depthwise", 9, groups=32), weights={}, activations=STATIC)
    assert (found.precision, found.operator) == ("", "")
    assert found.fallback.startswith("32 groups: no kernel here has depthwise convolutions")


def test_pixels_have_no_scale_of_their_own() -> None:
    for kind, precision in (("convolution", ""), ("linear", "W8A8")):
        found = planned(layer(kind), weights={}, activations={"scales": "token"})
        assert (found.precision, bool(found.fallback)) == (precision, not precision)
    assert planned(layer("convolution"), weights={}, activations={"scales": "tensor"}).precision == "W8A8"


@pytest.mark.parametrize("bits", [4, 8])
def test_groups_that_do_not_divide_become_8_bits(bits: int) -> None:
    grouped = {"bits": 4, "granularity": "group", "group": 64, "steps": True}
    found = planned(layer(depth=96), weights=grouped, activations={**STATIC, "bits": bits})
    assert found.weights == WeightRecipe()
    assert found.precision == "W8A8", "of the activations too: no kernel has fewer bits of these than of weights"
    assert found.fallback == "groups of 64 do not divide K=96; 8 bits by channel"
    assert planned(layer(depth=128), weights=grouped, activations=STATIC).fallback == ""


def test_a_layer_in_floats_is_no_fallback() -> None:
    found = planned(layer("depthwise", groups=4), weights={}, activations=STATIC, layers={"a": {"floats": True}})
    assert (found.precision, found.fallback) == ("", "")


@pytest.mark.parametrize(
    ("kind", "weights", "activations", "floats", "operator"),
    [
        ("linear", {}, STATIC, "fp32", "gemm_s8"),
        ("linear", {"bits": 4}, STATIC, "fp32", "gemm_w4a8"),
        ("linear", {"bits": 4}, {**STATIC, "bits": 4}, "fp32", "gemm_w4a4"),
        ("linear", {"bits": 4}, None, "bf16", "gemm_w4a16"),
        ("linear", {"bits": 8}, None, "fp16", "gemm_w8a16"),
        ("convolution", {"bits": 4}, STATIC, "fp32", "conv2d_w4a8"),
    ],
)
def test_operators_compute_what_they_are_named_for(
    kind: str, weights: dict[str, Any], activations: dict[str, Any] | None, floats: str, operator: str
) -> None:
    found = planned(layer(kind), weights=weights, activations=activations, floats=floats)
    assert (found.operator, found.note) == (operator, "")


GROUPED = {"granularity": "group", "group": 32}


@pytest.mark.parametrize(
    ("kind", "weights", "activations", "floats", "note"),
    [
        ("linear", {}, None, "fp32", "kernels of w8a16 take fp16 or bf16 activations, and these are fp32"),
        ("linear", {"bits": 5}, STATIC, "fp32", "no kernel here computes a linear of w5a8"),
        ("convolution", {}, None, "bf16", "no kernel here computes a convolution of w8a16"),
        ("linear", {"symmetric": False}, None, "bf16", "kernels of w8a16 have no zero points of weights"),
        ("linear", GROUPED, None, "bf16", "kernels of w8a16 have no groups"),
        ("linear", {**GROUPED, "bits": 4, "steps": True}, None, "bf16", "kernels of w4a16 have no steps"),
        (
            "linear",
            {**GROUPED, "bits": 4, "steps": True},
            {**STATIC, "bits": 4},
            "fp32",
            "kernels of w4a4 have no steps",
        ),
    ],
)
def test_where_no_operator_does_it_a_note_says_why(
    kind: str, weights: dict[str, Any], activations: dict[str, Any] | None, floats: str, note: str
) -> None:
    found = planned(layer(kind), weights=weights, activations=activations, floats=floats)
    assert (found.operator, found.note) == ("", note)


def test_notes_of_float_activations_are_those_of_the_packing() -> None:
    """What `ops.pack_quantized` refuses beside bf16 has a note, and nothing else has."""
    from immabench.errors import ImmabenchError
    from immabench.ops import pack_quantized
    from immabench.packing import quantize_weights

    pytest.importorskip("immabench._native", reason="orders of packed weights are those of compiled kernels")
    for scheme in WEIGHT_SCHEMES.values():
        if scheme.format.name not in ("s8", "s4", "u4"):
            continue
        table = {"bits": scheme.format.bits, "granularity": scheme.granularity, "group": scheme.group}
        table |= {"symmetric": scheme.symmetric, "steps": scheme.two_level}
        if scheme.two_level and scheme.format.bits != 4:
            continue
        found = planned(layer(depth=128), weights=table, floats="bf16")
        try:
            pack_quantized(quantize_weights(torch.ones(16, 128).numpy(), scheme), torch.bfloat16)
        except ImmabenchError:
            assert found.note, scheme.name
        else:
            assert found.operator, scheme.name


def test_mobilenet_has_a_fallback_for_each_depthwise_layer() -> None:
    found = plan(recipe(weights={}, activations=STATIC), architecture("mobilenet_v2").traced.layers)
    assert sum(bool(one.fallback) for one in found) == 17


def test_grouped_layers_of_a_model_fall_back_too() -> None:
    model = seeded(lambda: Lambda(lambda self, x: self.a(x), a=nn.Conv2d(4, 8, 3, groups=2)))
    found = plan(recipe(weights={}), traced(model, 2, 4, 6, 6).layers)
    assert found[0].fallback.startswith("2 groups: ")
