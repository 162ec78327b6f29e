"""Quantized models in folders: the same outputs bit for bit, and one line for what is no such folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip(
    "torch", reason="importing immabench.quantize imports torch: pip install 'immabench[models]'"
)

from small_models import Block, as_trained, random, traced  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.files import DESCRIPTION, TENSORS, is_quantized, load_quantized, save_quantized  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.recipes import (  # noqa: E402
    ActivationRecipe,
    MethodsRecipe,
    Recipe,
    WeightRecipe,
)

SHAPE = (4, 32, 6, 6)
ABOUT = {"model": "block", "title": "A block", "watermark": "", "calibration": "noise"}

STATIC = ActivationRecipe(calibrator="minmax", residuals=True)
STEPS = WeightRecipe(bits=4, granularity="group", group=32, steps=True, symmetric=False)
RECIPES = [
    Recipe(name="static", weights=WeightRecipe(), activations=STATIC, methods=MethodsRecipe(bias_correction=True)),
    Recipe(name="equalized", weights=WeightRecipe(), activations=STATIC, methods=MethodsRecipe(equalize=True)),
    Recipe(name="steps", weights=STEPS, activations=ActivationRecipe(scales="tensor")),
    Recipe(name="groups", floats="fp16", weights=WeightRecipe(bits=3, granularity="group", group=32, symmetric=False)),
    Recipe(name="bf16", floats="bf16"),
]


def quantized(recipe: Recipe = RECIPES[0]) -> QuantizedModel:
    torch.manual_seed(0)
    model = ptq.prepare(traced(as_trained(Block(32, 64)), *SHAPE), recipe)
    return ptq.quantize(model, recipe, observe(model, [(random(*SHAPE),)]))


def skeleton() -> Block:
    """The architecture with other weights."""
    torch.manual_seed(9)
    return Block(32, 64).eval()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_folder_gives_the_same_outputs(recipe: Recipe, tmp_path: Path) -> None:
    model = quantized(recipe)
    save_quantized(model, tmp_path / "out", ABOUT, {"torch": "x"})
    loaded = load_quantized(tmp_path / "out", traced(skeleton(), *SHAPE))
    values = random(3, *SHAPE[1:], seed=7)
    assert torch.equal(loaded(values), model(values))
    assert loaded.recipe == recipe
    assert loaded.plans == model.plans
    assert loaded.size_bytes == model.size_bytes
    assert is_quantized(tmp_path / "out")


def test_codes_are_stored_as_such(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    save_quantized(quantized(), tmp_path, ABOUT, {})
    tensors = load_file(tmp_path / TENSORS)
    assert tensors["conv1.weight.codes"].dtype == torch.int8
    assert tensors["conv1.weight.codes"].shape == (64, 32 * 9)
    assert "conv1.weight" not in tensors


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is not empty; choose another --out"):
        save_quantized(quantized(), tmp_path, ABOUT, {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def damage_tensors(folder: Path) -> None:
    with (folder / TENSORS).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")


def other_version(folder: Path) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))


def other_layers(folder: Path) -> None:
    path = folder / DESCRIPTION
    path.write_text(
        path.read_text().replace('"layer":"conv1"', '"layer":"stem"').replace('"layer": "conv1"', '"layer": "stem"')
    )


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (damage_tensors, f"{TENSORS} is not the file that {DESCRIPTION} was written with; quantize it again"),
    (lambda folder: (folder / TENSORS).unlink(), f"{TENSORS} cannot be read"),
    (lambda folder: (folder / DESCRIPTION).write_text("{"), f"{DESCRIPTION} is no quantized model of version 1"),
    (lambda folder: (folder / DESCRIPTION).unlink(), f"{DESCRIPTION} is no quantized model of version 1"),
    (other_version, r"version 1 \(version: Input should be 1\); quantize it again"),
    (other_layers, "is of block, whose layers are others; name the model that it was made of"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damaged_folders_are_one_line(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    save_quantized(quantized(), tmp_path, ABOUT, {})
    damage(tmp_path)
    with pytest.raises(UsageError, match=message):
        load_quantized(tmp_path, traced(skeleton(), *SHAPE))


def test_another_architecture_is_one_line(tmp_path: Path) -> None:
    save_quantized(quantized(), tmp_path, ABOUT, {})
    torch.manual_seed(0)
    wider = traced(Block(16, 64).eval(), 4, 16, 6, 6)
    with pytest.raises(UsageError, match=r"has no \S+ of \[64, 16, .*; quantize it again"):
        load_quantized(tmp_path, wider)
