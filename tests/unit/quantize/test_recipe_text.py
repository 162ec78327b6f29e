"""Recipes as text: written and read, they are the same."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

pytest.importorskip("torch", reason="quantization is torch's: pip install 'immabench[models]'")

from immabench.quantize.recipe_files import BUILT_IN, read_recipe, recipe_text
from immabench.quantize.recipes import LayerRecipe, Recipe

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FLOATS = st.sampled_from(["fp32", "fp16", "bf16"])

WEIGHTS = st.fixed_dictionaries(
    {},
    optional={
        "bits": st.integers(2, 4),
        "granularity": st.sampled_from(["tensor", "channel"]),
        "symmetric": st.just(True),
        "range": st.sampled_from(["minmax", "mse"]),
    },
)
GROUPS = st.just({"bits": 4, "granularity": "group", "group": 64, "steps": True, "symmetric": False})
ACTIVATIONS = st.one_of(
    st.fixed_dictionaries({"calibrator": st.just("mse")}, optional={"residuals": st.booleans()}),
    st.fixed_dictionaries({"scales": st.sampled_from(["tensor", "token"])}, optional={"symmetric": st.booleans()}),
)
LAYER = st.one_of(
    st.builds(LayerRecipe, floats=st.booleans(), weights=st.one_of(st.just({}), WEIGHTS)),
    st.builds(LayerRecipe, floats=st.just(True), activations=st.dictionaries(TEXT, TEXT | st.booleans(), max_size=2)),
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    table = {
        "name": draw(TEXT),
        "description": draw(TEXT),
        "floats": draw(FLOATS),
        "weights": draw(st.none() | WEIGHTS | GROUPS),
        "activations": draw(st.none() | ACTIVATIONS),
        "calibration": draw(
            st.fixed_dictionaries({}, optional={"samples": st.integers(1, 999), "seed": st.integers(0)})
        ),
        "methods": draw(
            st.fixed_dictionaries({}, optional={"equalize": st.booleans(), "bias_correction": st.booleans()})
        ),
        "layers": draw(st.dictionaries(TEXT | st.sampled_from(["conv1", "layer1.*"]), LAYER, max_size=3)),
    }
    try:
        return Recipe.model_validate(table)
    except ValidationError:
        assume(False)
        raise


def reread(text: str) -> Recipe:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "other.toml"
        path.write_text(text, encoding="utf-8")
        return read_recipe(path)


@given(recipes())
def test_a_recipe_is_read_as_it_was_written(recipe: Recipe) -> None:
    found = reread(recipe_text(recipe))
    assert found == recipe
    assert list(found.layers) == list(recipe.layers), "later patterns are over earlier ones"


@pytest.mark.parametrize("name", BUILT_IN)
def test_recipes_of_floats(name: str) -> None:
    assert reread(recipe_text(BUILT_IN[name])) == BUILT_IN[name]


def test_text_is_what_people_write() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "w4a8",
            "weights": {"bits": 4},
            "activations": {"calibrator": "mse"},
            "layers": {"conv1": {"weights": {"bits": 8, "symmetric": True}}, "layer1.*": {"floats": True}},
        }
    )
    assert recipe_text(recipe) == (
        'name = "w4a8"\n'
        "\n[weights]\nbits = 4\n"
        '\n[activations]\ncalibrator = "mse"\n'
        "\n[layers.conv1]\nweights = { bits = 8, symmetric = true }\n"
        '\n[layers."layer1.*"]\nfloats = true\n'
    )
