"""Recipes: what is one, what is none and why, and that files give back what was written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

pytest.importorskip("torch", reason="importing immabench.quantize imports torch: pip install 'immabench[models]'")

from immabench.packing.schemes import GROUPS
from immabench.quantize.calibrators import CALIBRATORS
from immabench.quantize.recipes import (
    ActivationRecipe,
    CalibrationRecipe,
    LayerRecipe,
    MethodsRecipe,
    Recipe,
    WeightRecipe,
    unsupported_pair,
)

STATIC = ActivationRecipe(calibrator="minmax")
TOKENS = ActivationRecipe(scales="token")


@st.composite
def weights(draw: st.DrawFn) -> WeightRecipe:
    """Any valid table of weights."""
    granularity = draw(st.sampled_from(["tensor", "channel", "group"]))
    steps = granularity == "group" and draw(st.booleans())
    return WeightRecipe(
        bits=4 if steps else draw(st.integers(2, 8)),
        granularity=granularity,
        group=draw(st.sampled_from(GROUPS)) if granularity == "group" else 0,
        symmetric=granularity == "tensor" or draw(st.booleans()),
        steps=steps,
        range="minmax" if steps else draw(st.sampled_from(["minmax", "mse"])),
    )


@st.composite
def activations(draw: st.DrawFn) -> ActivationRecipe:
    """Any valid table of activations."""
    scales = draw(st.sampled_from(["static", "tensor", "token"]))
    return ActivationRecipe(
        bits=draw(st.integers(2, 8)),
        symmetric=draw(st.booleans()),
        scales=scales,
        calibrator=draw(st.sampled_from(sorted(CALIBRATORS))) if scales == "static" else None,
        residuals=scales == "static" and draw(st.booleans()),
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Any valid recipe."""
    pairs = st.tuples(st.none() | weights(), st.none() | activations())
    pair = draw(pairs.filter(lambda pair: not unsupported_pair(*pair)))
    layer = st.builds(LayerRecipe, floats=st.booleans())
    return Recipe(
        name=draw(TEXT),
        description=draw(TEXT),
        floats=draw(st.sampled_from(["fp32", "fp16", "bf16"])),
        weights=pair[0],
        activations=pair[1],
        calibration=CalibrationRecipe(samples=draw(st.integers(1, 999)), seed=draw(st.integers(0, 9))),
        methods=MethodsRecipe(equalize=draw(st.booleans()), bias_correction=draw(st.booleans())),
        layers=draw(st.dictionaries(TEXT, layer, max_size=3)),
    )


@given(recipes())
def test_what_is_dumped_is_read_again(recipe: Recipe) -> None:
    again = Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json"))))
    assert again == recipe
    assert again.digest == recipe.digest


@given(recipes(), TEXT, TEXT)
def test_a_digest_is_not_of_names(recipe: Recipe, name: str, description: str) -> None:
    renamed = recipe.model_copy(update={"name": name, "description": description})
    assert renamed.digest == recipe.digest
    assert len(recipe.digest) == 12


def test_a_digest_is_of_everything_else() -> None:
    base = {"name": "r", "weights": {}, "activations": {"calibrator": "mse"}}
    changes: list[dict[str, Any]] = [
        {},
        {"floats": "bf16"},
        {"weights": {"bits": 4}},
        {"weights": {"range": "mse"}},
        {"activations": {"calibrator": "minmax"}},
        {"activations": None},
        {"calibration": {"samples": 7}},
        {"calibration": {"seed": 1}},
        {"methods": {"equalize": True}},
        {"layers": {"a": {"floats": True}}},
        {"layers": {"a": {"weights": {"bits": 4}}, "*": {"weights": {"bits": 8}}}},
        {"layers": {"*": {"weights": {"bits": 8}}, "a": {"weights": {"bits": 4}}}},
    ]
    digests = {Recipe.model_validate({**base, **change}).digest for change in changes}
    assert len(digests) == len(changes), "the order of [layers] too: later ones are over earlier ones"


REFUSED_WEIGHTS = [
    ({"bits": 1}, "bits: Input should be greater than or equal to 2"),
    ({"bits": 9}, "bits: Input should be less than or equal to 8"),
    ({"granularity": "group"}, "a group has 32, 64, 128 elements of K, not 0"),
    ({"granularity": "group", "group": 48}, "a group has 32, 64, 128 elements of K, not 48"),
    ({"group": 32}, "scales per channel have no groups and no steps"),
    ({"granularity": "tensor", "steps": True}, "scales per tensor have no groups and no steps"),
    ({"granularity": "group", "group": 32, "steps": True}, "steps are for 4 bits within int8"),
    ({"bits": 4, "granularity": "group", "group": 32, "steps": True, "range": "mse"}, "of the range of all weights"),
    ({"width": 3}, "width: Extra inputs are not permitted"),
]

REFUSED_ACTIVATIONS = [
    ({}, "static scales need a calibrator: minmax, moving-average, .*, not None"),
    ({"calibrator": "magic"}, "static scales need a calibrator: .*, not magic"),
    ({"scales": "token", "calibrator": "mse"}, "scales found when running have no calibrator, but mse is given"),
    ({"scales": "tensor", "residuals": True}, "residuals in codes need static scales"),
    ({"scales": "token", "attention": True}, "queries, keys and values in codes need static scales"),
    ({"bits": 16, "calibrator": "mse"}, "bits: Input should be less than or equal to 8"),
]


@pytest.mark.parametrize(("table", "reason"), REFUSED_WEIGHTS)
def test_weights_that_are_refused(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){reason.replace(': ', '.*')}"):
        Recipe.model_validate({"name": "r", "weights": table})


@pytest.mark.parametrize(("table", "reason"), REFUSED_ACTIVATIONS)
def test_activations_that_are_refused(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){reason.replace(': ', '.*')}"):
        Recipe.model_validate({"name": "r", "weights": {}, "activations": table})


PAIRS = [
    (None, STATIC, "integer activations with float weights: no kernel multiplies them"),
    (WeightRecipe(), ActivationRecipe(bits=4, calibrator="mse"), "W8A4: matrix instructions take both operands in one"),
    (WeightRecipe(granularity="group", group=32), STATIC, "groups of 8-bit weights with integer activations"),
    (WeightRecipe(bits=5, granularity="group", group=64), TOKENS, "groups of 5-bit weights with integer activations"),
    (WeightRecipe(symmetric=False), STATIC, "asymmetric weights with integer activations"),
    (WeightRecipe(granularity="tensor", symmetric=False), None, "asymmetric weights with one scale"),
]


@pytest.mark.parametrize(("weight", "activation", "reason"), PAIRS)
def test_pairs_that_are_refused(weight: WeightRecipe | None, activation: ActivationRecipe | None, reason: str) -> None:
    assert reason in unsupported_pair(weight, activation)
    with pytest.raises(ValidationError, match=reason):
        Recipe(name="r", weights=weight, activations=activation)


def test_pairs_that_there_are() -> None:
    stepped = WeightRecipe(bits=4, granularity="group", group=128, steps=True, symmetric=False)
    for pair in (
        (None, None),
        (WeightRecipe(), None),
        (WeightRecipe(), STATIC),
        (WeightRecipe(bits=4), STATIC),
        (WeightRecipe(bits=4), ActivationRecipe(bits=4, calibrator="mse")),
        (stepped, TOKENS),
        (WeightRecipe(bits=4, granularity="group", group=64, symmetric=False), STATIC),
        (WeightRecipe(bits=4, granularity="group", group=32, symmetric=False), None),
    ):
        assert unsupported_pair(*pair) == ""


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ({"weights": {"bits": 11}}, "layers 'conv1': bits: Input should be less than or equal to 8"),
        ({"weights": {"bit": 4}}, "layers 'conv1': bit: Extra inputs are not permitted"),
        ({"activations": {"bits": 4}}, "layers 'conv1': W8A4: "),
        ({"weight": {}}, "Extra inputs are not permitted"),
    ],
)
def test_layers_that_are_refused_say_which_in_a_line(layer: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"name": "r", "weights": {}, "activations": STATIC, "layers": {"conv1": layer}})
    message = caught.value.errors()[0]["msg"]
    assert reason in message
    assert "\n" not in message


def test_tables_that_the_recipe_has_not_cannot_differ() -> None:
    for side in ("weights", "activations"):
        with pytest.raises(ValidationError, match=rf"layers 'a' has {side}, but the recipe has no \[{side}\]"):
            Recipe.model_validate({"name": "r", "layers": {"a": {side: {"bits": 4}}}})


def test_what_differs_for_a_layer_is_over_what_is_common() -> None:
    recipe = Recipe(name="r", weights=WeightRecipe(range="mse"), activations=STATIC)
    found = recipe.of_layer(LayerRecipe(weights={"bits": 4}, activations={"calibrator": "mse"}))
    assert found == (WeightRecipe(bits=4, range="mse"), ActivationRecipe(calibrator="mse"))
    assert recipe.of_layer(LayerRecipe(floats=True, weights={"bits": 4})) == (None, None)


def test_what_is_needed() -> None:
    assert Recipe(name="r").is_float
    assert not Recipe(name="r").needs_calibration
    assert not Recipe(name="r", weights=WeightRecipe()).is_float
    assert not Recipe(name="r", weights=WeightRecipe(), activations=TOKENS).needs_calibration
    assert Recipe(name="r", weights=WeightRecipe(), activations=STATIC).needs_calibration
    correcting = MethodsRecipe(bias_correction=True)
    assert Recipe(name="r", weights=WeightRecipe(), methods=correcting).needs_calibration
