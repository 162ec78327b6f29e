"""Codes that ONNX Runtime stores, beside the integer oracles': where they part, and that the rules explain it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import W8A8, quantized  # noqa: E402
from small_models import random, small_resnet, traced  # noqa: E402

from immabench.export.inspection import codes_by_onnxruntime, sums_of_layers  # noqa: E402
from immabench.models.integer import lower  # noqa: E402
from immabench.models.integer.difference import Comparison, Differences  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402

IMAGES = random(16, 3, 8, 8, seed=5)


@cache
def model() -> QuantizedModel:
    return quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, **W8A8)


@cache
def compared() -> Comparison:
    return Differences(model(), lower(model()), IMAGES).of_operands(
        codes_by_onnxruntime(model(), IMAGES), sums_of_layers(model())
    )


def test_codes_have_the_names_of_operands() -> None:
    codes = codes_by_onnxruntime(model(), IMAGES)
    assert {"stem.input", "same.conv1.input", "same.conv2.input"} <= set(codes)
    assert codes["stem.input"].dtype == np.int8
    with_ = model().parameters_of["stem.input"]
    want = np.clip(np.rint(IMAGES.numpy() / np.float32(with_.scale)) + with_.zero_point, -128, 127)
    assert np.array_equal(codes["stem.input"], want), "the images themselves, 128 lower"


def test_sums_have_codes_where_a_residual_is_added() -> None:
    assert set(sums_of_layers(model())) == {"same.conv2", "wider.downsample"}


def test_every_layer_is_compared_and_near() -> None:
    layers = [gap.layer for gap in compared().gaps if gap.computed]
    assert layers == ["stem", "same.conv1", "same.conv2", "wider.conv1", "wider.conv2", "wider.downsample", "average"]
    assert compared().gaps[0].differing == 0, "the images"
    # A residual is added to a sum rounded to coarser codes: one or two, and what earlier layers make of that.
    assert max(gap.largest for gap in compared().gaps) <= 4


def test_the_first_difference_is_explained() -> None:
    first = compared().first
    assert first is not None, "biases and residuals are rounded once more"
    assert first.explained > 0.99
    causes = {rule for causes in first.causes for rule in causes}
    assert any(rule.startswith(("requantization", "fused residual")) for rule in causes)
