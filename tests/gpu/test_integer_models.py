"""Integer models on a GPU: the bits of the CPU, launched one by one and as one CUDA graph."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from small_models import random, small_resnet, traced  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.models.integer import IntegerModel, lower  # noqa: E402
from immabench.models.integer.captured import CapturedModel  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.recipes import Recipe  # noqa: E402

IMAGES = random(4, 3, 8, 8, seed=5)
RECIPES: dict[str, dict[str, Any]] = {
    "w8a8": {"weights": {}, "activations": {"calibrator": "minmax", "residuals": True}},
    "by tensor": {"weights": {}, "activations": {"scales": "tensor"}},
}


def integers(name: str) -> IntegerModel:
    model = traced(small_resnet(), 2, 3, 8, 8)
    recipe = Recipe.model_validate({"name": "r", **RECIPES[name]})
    return lower(ptq.quantize(model, recipe, observe(model, [(IMAGES,)])))


@pytest.mark.parametrize("name", RECIPES)
def test_the_bits_are_those_of_the_cpu(name: str) -> None:
    want = integers(name)(IMAGES)
    found = integers(name).on("cuda")
    assert torch.equal(found(IMAGES.cuda()).cpu(), want)
    captured = CapturedModel(found, IMAGES.cuda())
    for images in (IMAGES, IMAGES.flip(0)):
        assert torch.equal(captured(images.cuda()).cpu(), integers(name)(images))


def test_other_shapes_are_refused() -> None:
    captured = CapturedModel(integers("w8a8").on("cuda"), IMAGES.cuda())
    with pytest.raises(UsageError, match=r"captured were \[4, 3, 8, 8\] .*; capture the model for it"):
        captured(IMAGES[:2].cuda())
