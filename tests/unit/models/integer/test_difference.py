"""Where computations part, and why: every rule by hand, then planted in a model and found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="integer models are torch's: pip install 'immabench[models]'")

from small_models import random, small_resnet, traced  # noqa: E402

from immabench.models.integer import lower  # noqa: E402
from immabench.models.integer.difference import IN_FLOATS, Differences  # noqa: E402
from immabench.models.integer.given import computed_of  # noqa: E402
from immabench.models.integer.rules import (  # noqa: E402
    CHANGES,
    SPECIFIED,
    Rules,
    explanations,
    output_codes,
)
from immabench.numerics import gemm_reference  # noqa: E402
from immabench.operands import Operands  # noqa: E402
from immabench.problems import Problem  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.recipes import Recipe  # noqa: E402
from immabench.quantize.schemes import QuantizationParameters  # noqa: E402

SUMS = QuantizationParameters(4.0, 0, -128, 127)


def product(total: int, scales: tuple[float, float], out: float = 1.0, **more: Any) -> tuple[Problem, Operands]:
    """One row and one column whose sum is `total`."""
    a = np.array([[1, total - 100]], np.int8)
    b = np.array([[100, 1]], np.int8)
    one = {name: np.array([value], np.float32) for name, value in zip(("row_scale", "col_scale"), scales, strict=True)}
    fields: dict[str, Any] = {"row_scale": "tensor", "col_scale": "tensor", "out_scale": "tensor"}
    if "bias" in more:
        fields["bias"] = True
    if "residual" in more:
        fields["residual"] = "s8"
        more |= {"residual_scale": np.array([1], np.float32), "residual_zero": np.array([0], np.int32)}
    problem = Problem(1, 1, 2, output_type="s8", **fields)
    return problem, Operands(a, b, **one, out_scale=np.array([out], np.float32), **more)


def code(call: tuple[Problem, Operands], **changed: Any) -> int:
    return int(output_codes(*call, Rules(**changed), SUMS)[0, 0])


def test_ties() -> None:
    assert [code(product(total, (0.5, 1.0))) for total in (5, 3, -5 + 0)] == [2, 2, -2]
    assert [code(product(total, (0.5, 1.0)), ties="away from zero") for total in (5, 3, -5)] == [3, 2, -3]
    assert [code(product(total, (0.5, 1.0)), ties="upwards") for total in (5, 3, -5)] == [3, 2, -2]


def test_a_bias_as_integers() -> None:
    call = product(10, (0.5, 1.0), bias=np.array([0.74], np.float32))
    assert code(call) == 6, "5.74"
    assert code(call, bias="int32") == 6, "0.74 / 0.5 is 1 of them: 5.5, to even"
    assert code(call, bias="int32", ties="upwards") == 6
    call = product(11, (0.5, 1.0), bias=np.array([0.24], np.float32))
    assert (code(call), code(call, bias="int32")) == (6, 6)
    call = product(12, (0.5, 1.0), bias=np.array([0.76], np.float32))
    assert (code(call), code(call, bias="int32")) == (7, 7)
    call = product(12, (0.5, 1.0), bias=np.array([0.74], np.float32))
    assert (code(call), code(call, bias="int32")) == (7, 6), "6.74 and 6.5"


def test_a_sum_that_is_rounded_before_the_residual_is_added() -> None:
    call = product(5, (1.0, 1.0), residual=np.array([[1]], np.int8))
    assert (code(call), code(call, residual="after rounding")) == (6, 5), "5 is 4 in steps of 4"


def test_one_multiplier_rounds_otherwise_than_scales_in_steps() -> None:
    rng = np.random.default_rng(0)
    differ = 0
    for _ in range(3000):
        scales = tuple(float(np.float32(one)) for one in rng.uniform(0.01, 0.1, 2))
        total = int(rng.integers(1, 127))
        out = float(np.float32(scales[0]) * np.float32(scales[1])) * total / (int(rng.integers(1, 50)) + 0.5)
        call = product(total, scales, out)  # halfway between two codes but for rounding
        exact = total * np.float64(np.float32(scales[0])) * np.float64(np.float32(scales[1])) / np.float32(out)
        for scaling in ("in steps", "one multiplier", "fixed point"):
            assert abs(code(call, scaling=scaling) - exact) < 0.5 + 1e-5
        differ += len({code(call, scaling=scaling) for scaling in ("in steps", "one multiplier", "fixed point")}) > 1
    assert differ > 100


def test_pairs_that_saturate() -> None:
    a, b = np.full((1, 4), 127, np.int8), np.full((1, 4), 127, np.int8)
    vectors = {"row_scale": np.array([1 / 512], np.float32), "out_scale": np.array([1], np.float32)}
    problem = Problem(1, 1, 4, output_type="s8", row_scale="tensor", out_scale="tensor")
    operands = Operands(a, b, **vectors)
    assert output_codes(problem, operands, SPECIFIED)[0, 0] == round(4 * 127 * 127 / 512)
    # Two products 255 * 127 reach 64770 and stop at 32767; what 128 times the weights added is taken off again.
    want = round((2 * 32767 - 128 * 4 * 127) / 512)
    assert output_codes(problem, operands, replace(SPECIFIED, sums="int16 pairs"))[0, 0] == want


def test_sums_of_floats() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-128, 128, (8, 512), dtype=np.int8) for _ in range(2))
    vectors = {name: np.array([0.1], np.float32) for name in ("row_scale", "col_scale")}
    operands = Operands(a, b, **vectors, out_scale=np.array([50], np.float32))
    problem = Problem(8, 8, 512, output_type="s8", row_scale="tensor", col_scale="tensor", out_scale="tensor")
    found = output_codes(problem, operands, replace(SPECIFIED, sums="float32"))
    want = np.clip(np.rint((a * 0.1).astype(np.float32) @ (b.T * 0.1).astype(np.float32) / np.float32(50)), -128, 127)
    assert np.abs(found - want).max() <= 1, "one rounding of a sum of 512"


@cache
def resnet() -> tuple[Any, Any, torch.Tensor]:
    """A small ResNet quantized, its integers, and images."""
    model, images = traced(small_resnet(), 2, 3, 8, 8), random(16, 3, 8, 8, seed=5)
    activations = {"calibrator": "minmax", "residuals": True}
    recipe = Recipe.model_validate({"name": "r", "weights": {}, "activations": activations})
    made = ptq.quantize(model, recipe, observe(model, [(images,)]))
    return made, lower(made), images


@cache
def differences() -> Differences:
    made, model, images = resnet()
    return Differences(made, model, images)


def test_by_the_specification_codes_are_those_of_the_oracle() -> None:
    found = differences()
    for point in found._points:
        call = found._call(point)
        if call is not None:
            assert np.array_equal(output_codes(*call, SPECIFIED), gemm_reference(*call))


def test_engines_that_agree_have_no_first_difference() -> None:
    _, model, _ = resnet()
    found = differences().engine(model)
    assert found.first is None
    assert all(gap.differing == 0 for gap in found.gaps)
    assert [gap.layer for gap in found.gaps if gap.computed] == [
        "stem", "same.conv1", "same.conv2", "wider.conv1", "wider.conv2", "wider.downsample", "average"
    ]  # fmt: skip
    assert not found.gaps[0].computed, "the image itself"


LAYER = "wider.downsample"
"""It adds a residual, has a bias and a ReLU."""


@cache
def near_ties(with_bias: bool, large: bool) -> Differences:
    """The same with scales such that every other value of LAYER is halfway between two codes, but for roundings."""
    model, images = traced(small_resnet(), 2, 3, 8, 8), random(16, 3, 8, 8, seed=5)
    activations = {"calibrator": "minmax", "residuals": True}
    recipe = Recipe.model_validate({"name": "r", "weights": {"granularity": "tensor"}, "activations": activations})
    made = ptq.quantize(model, recipe, observe(model, [(images,)]))
    x, w = np.float32(0.00371 if large else 0.0371), np.float32(0.0131)  # the smaller, the larger codes are
    made.weights[LAYER] = replace(made.weights[LAYER], scale=torch.tensor([[float(w)]]))
    step = x * w
    made.biases[LAYER] = random(16, seed=3) * float(step) * 4 if with_bias else torch.zeros(16)
    scales = {"wider.conv1.input": x, f"{LAYER}.input": x, f"{LAYER}.residual": 2 * step, "average.input": 2 * step}
    for operand, scale in scales.items():
        made.parameters_of[operand] = replace(made.parameters_of[operand], scale=float(scale))
    return Differences(made, lower(made), images)


@pytest.mark.parametrize("cause", CHANGES)
def test_a_planted_rule_is_found(cause: str) -> None:
    found = near_ties("bias" in cause, "saturate" in cause)
    point = next(one for one in found._points if one.named == (LAYER, True))
    sums = QuantizationParameters(3 * point.parameters.scale, 0, -128, 127)
    rules = replace(SPECIFIED, **CHANGES[cause])
    planted = output_codes(*found._call(point), rules, sums)
    n, c, h, w = found._records[LAYER].output.shape
    codes = planted.reshape(n, h, w, c).transpose(0, 3, 1, 2).astype(np.int8)
    seen = found.compare({**found._codes, point.node: codes}, {LAYER: sums}).first
    assert seen.gap.layer == LAYER
    alike = "tie rounding" in cause  # after a ReLU nothing is negative, and upwards is away from zero
    assert seen.causes == tuple((one,) for one in CHANGES if one == cause or (alike and "tie rounding" in one))
    assert seen.explained == 1
    assert cause in str(seen)


def test_what_no_rule_gives_is_said_to_be_unknown() -> None:
    found = differences()
    point = next(one for one in found._points if one.named == (LAYER, True))
    codes = found._codes[point.node].copy()
    codes[0, 0] ^= 64
    seen = found.compare({**found._codes, point.node: codes}).first
    assert seen.explained < 0.5
    assert seen.gap.largest == 64


def test_two_rules_together_are_found() -> None:
    found = differences()
    point = next(one for one in found._points if one.named == (LAYER, True))
    call = found._call(point)
    sums = QuantizationParameters(3 * point.parameters.scale, 0, -128, 127)
    rules = replace(SPECIFIED, residual="after rounding", bias="int32")
    n, c, h, w = found._records[LAYER].output.shape
    codes = output_codes(*call, rules, sums).reshape(n, h, w, c).transpose(0, 3, 1, 2).astype(np.int8)
    seen = found.compare({**found._codes, point.node: codes}, {LAYER: sums}).first
    assert seen.explained == 1
    assert all(len(causes) <= 2 for causes in seen.causes)


def test_the_simulation_parts_where_its_sums_are_floats() -> None:
    seen = differences().simulated()
    assert seen.first is None or any("float32" in rule for causes in seen.first.causes for rule in causes)
    assert max(gap.largest for gap in seen.gaps) <= 2


def test_an_input_that_differs_is_of_operators_in_floats() -> None:
    found = differences()
    codes = {**found._codes}
    first = found._points[0]
    codes[first.node] = codes[first.node] ^ 1
    seen = found.compare(codes).first
    assert (seen.gap.computed, seen.causes) == (False, ((IN_FLOATS,),))
    assert str(seen).startswith("what stem reads: ")


def with_faults(found: Differences, *layers: str) -> dict[str, Any]:
    """The codes of an engine in which so many layers get their first code wrong, and everything else is right."""
    faults: dict[str, Any] = {}
    for layer in layers:
        node = next(point.node for point in found._points if point.named == (layer, True))
        codes = computed_of(found._model, found._points, faults, found._inputs)[node].copy()
        codes.flat[0] ^= 64
        faults[node] = codes
    return {**computed_of(found._model, found._points, faults, found._inputs), **faults}


def test_every_faulty_layer_is_told_from_those_it_only_reaches() -> None:
    found = differences()
    faulty = ("same.conv1", LAYER)
    seen = found.compare(with_faults(found, *faulty))
    assert {gap.layer: gap.own for gap in seen.at_fault} == dict.fromkeys(faulty, 1)
    assert seen.first is not None
    assert seen.first.gap == seen.at_fault[0]
    reached = [gap.layer for gap in seen.gaps if gap.differing and not gap.own]
    assert "same.conv2" in reached, "what reads a fault differs without being one"
    assert "average" in reached


def test_an_input_in_floats_is_at_fault_by_itself() -> None:
    found = differences()
    first = found._points[0]
    codes = found._codes[first.node] ^ 1
    seen = found.compare(
        {**computed_of(found._model, found._points, {first.node: codes}, found._inputs), first.node: codes}
    )
    assert [(gap.place, gap.own == gap.elements) for gap in seen.at_fault] == [("what stem reads", True)]


def test_what_was_stored_nowhere_is_of_nobody_known() -> None:
    found = differences()
    point = next(one for one in found._points if one.named == (LAYER, True))
    assert computed_of(found._model, [point], {}, found._inputs).keys() == {point.node}
    assert computed_of(found._model, [replace(point, layer=None, reader="gone")], {}, found._inputs) == {}


def test_rules_are_asked_one_by_one_then_together() -> None:
    call = product(5, (1.0, 1.0), residual=np.array([[1]], np.int8))
    counts = [len(causes) for causes, _ in explanations(*call)]
    assert counts == sorted(counts)
    assert {1, 2, 3} == set(counts)
    assert not any("bias" in rule for causes, _ in explanations(*call) for rule in causes), "it has none"
