"""Recipes on disk: what is found, read and changed, and the line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="importing immabench.quantize imports torch: pip install 'immabench[models]'")

from immabench.errors import ImmabenchError, NothingSelectedError, UsageError
from immabench.quantize import recipe_files
from immabench.quantize.recipe_files import BUILT_IN, changed, load_recipe, read_recipe, recipe_names
from immabench.quantize.recipes import (
    ActivationRecipe,
    CalibrationRecipe,
    LayerRecipe,
    MethodsRecipe,
    Recipe,
    WeightRecipe,
)

EVERYTHING = """
description = "all keys"
floats = "bf16"

[weights]
bits = 4
granularity = "group"
group = 64
symmetric = false
steps = true

[activations]
bits = 8
symmetric = true
scales = "static"
calibrator = "percentile"
residuals = true

[calibration]
samples = 64
seed = 3

[methods]
equalize = true
bias_correction = true

[layers."layer1.*"]
floats = true

[layers."fc"]
weights = { granularity = "channel", group = 0, steps = false, symmetric = true }
activations = { calibrator = "mse" }
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with the recipes `int8` and `int4` of `net`."""
    recipes = tmp_path / "net" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "int8.toml").write_text("[weights]\n[activations]\ncalibrator = 'minmax'\n")
    (recipes / "int4.toml").write_text("[weights]\nbits = 4\n")
    monkeypatch.setattr(recipe_files, "_SOURCE", tmp_path)
    monkeypatch.setattr(recipe_files, "_INSTALLED", tmp_path / "none")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    """The one line about a file."""
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("see docs/quantization.md")
    return str(caught.value)


def test_every_key_is_read(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, EVERYTHING)) == Recipe(
        name="mine",
        description="all keys",
        floats="bf16",
        weights=WeightRecipe(bits=4, granularity="group", group=64, symmetric=False, steps=True),
        activations=ActivationRecipe(symmetric=True, calibrator="percentile", residuals=True),
        calibration=CalibrationRecipe(samples=64, seed=3),
        methods=MethodsRecipe(equalize=True, bias_correction=True),
        layers={
            "layer1.*": LayerRecipe(floats=True),
            "fc": LayerRecipe(
                weights={"granularity": "channel", "group": 0, "steps": False, "symmetric": True},
                activations={"calibrator": "mse"},
            ),
        },
    )


def test_a_name_in_the_file_is_its_name(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, 'name = "other"')).name == "other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[weights", "mine.toml is no recipe ("),
        ("a = 1\na = 2", "mine.toml is no recipe ("),
        ("colour = 3", "mine.toml: colour: Extra inputs are not permitted"),
        ("[weights]\nbit = 4", "mine.toml: weights.bit: Extra inputs are not permitted"),
        ("weights = 4", "mine.toml: weights: "),
        ("[weights]\nbits = 12", "mine.toml: weights.bits: Input should be less than or equal to 8"),
        ("[weights]\ngranularity = 'row'", "mine.toml: weights.granularity: Input should be 'tensor', "),
        ("[weights]\n[activations]", "mine.toml: activations: static scales need a calibrator"),
        ("[activations]\nscales = 'token'", "mine.toml: integer activations with float weights"),
        ("[weights]\n[layers.a]\nweights.bits = 12", "mine.toml: layers 'a': bits: Input should be less than"),
        ("[calibration]\nsamples = 0", "mine.toml: calibration.samples: Input should be greater than or equal to 1"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_a_line(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refused(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no recipe at .*none\.toml; give the name of one, or a path to a TOML file"):
        read_recipe(tmp_path / "none.toml")
    assert "is no recipe" in refused(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "binary.toml is no recipe" in refused(binary)


def test_recipes_are_found_by_name_and_by_path(models: Path) -> None:
    assert recipe_names("net") == ["int4", "int8"]
    assert recipe_names("other") == []
    found = load_recipe("net", "int8")
    assert (found.name, found.weights, found.activations) == (
        "int8",
        WeightRecipe(),
        ActivationRecipe(calibrator="minmax"),
    )
    path = models / "net" / "recipes" / "int8.toml"
    assert load_recipe("other", str(path)) == found


def test_every_model_has_floats() -> None:
    for name, recipe in BUILT_IN.items():
        assert load_recipe("anything", name) == recipe
        assert (recipe.name, recipe.floats, recipe.is_float) == (name, name, True)


def test_unknown_names_give_the_nearest(models: Path) -> None:
    with pytest.raises(NothingSelectedError, match="no recipe of net matches 'int9'; nearest: int8, int4"):
        load_recipe("net", "int9")
    with pytest.raises(NothingSelectedError, match="fp32"):
        load_recipe("net", "fp33")


def test_changes_are_values_of_toml_or_text(models: Path) -> None:
    found = load_recipe("net", "int8", ["activations.calibrator=mse", "weights.bits=4", "methods.equalize=true"])
    assert found.weights == WeightRecipe(bits=4)
    assert found.activations == ActivationRecipe(calibrator="mse")
    assert found.methods.equalize
    assert found.name == "int8 activations.calibrator=mse weights.bits=4 methods.equalize=true"


def test_a_change_of_nothing_is_the_recipe_itself() -> None:
    assert changed(BUILT_IN["fp16"], []) is BUILT_IN["fp16"]


def test_tables_that_were_not_there_can_be_made() -> None:
    found = changed(BUILT_IN["bf16"], ["weights.bits=4", "weights.granularity=group", "weights.group=128"])
    assert found.weights == WeightRecipe(bits=4, granularity="group", group=128)


def test_layers_are_changed_by_keys_in_quotes(models: Path) -> None:
    found = load_recipe("net", "int8", ['layers."layer1.*".floats=true', "layers.fc.weights.bits=4"])
    assert found.layers == {"layer1.*": LayerRecipe(floats=True), "fc": LayerRecipe(weights={"bits": 4})}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("samples", "'samples' is not KEY=VALUE; write for example activations.calibrator=mse"),
        ("=3", "'=3' is not KEY=VALUE"),
        ("weights.bits=", "'weights.bits=' is not KEY=VALUE"),
        ("weights.bits=9", "recipe int8 with weights.bits=9: weights.bits: Input should be less than or equal to 8"),
        ("weights.bits.more=9", "'weights.bits.more=9': bits has no keys"),
        ("weight.bits=4", "recipe int8 with weight.bits=4: weight: Extra inputs are not permitted"),
        ("activations.scales=token", "scales found when running have no calibrator, but minmax is given"),
        ("weights.symmetric=false", "asymmetric weights with integer activations"),
    ],
)
def test_changes_that_are_wrong_are_said_in_a_line(models: Path, change: str, line: str) -> None:
    with pytest.raises(ImmabenchError) as caught:
        load_recipe("net", "int8", [change])
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
