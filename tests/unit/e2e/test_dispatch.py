"""Timings joined with the model's layers, and runtimes side by side."""

from __future__ import annotations

from immabench.e2e.dispatch import NO_KERNEL, Dispatch, DispatchLine, joined, side_by_side
from immabench.e2e.plan import Cell
from immabench.models.runtimes.base import LayerTiming
from immabench.quantize.plans import LayerPlan
from immabench.quantize.recipe_files import load_recipe
from immabench.quantize.recipes import ActivationRecipe, WeightRecipe

W8A8 = load_recipe("resnet18", "w8a8")
CELL = Cell("onnxruntime", "int8", W8A8)
CODES = {"weights": WeightRecipe(), "activations": ActivationRecipe(calibrator="minmax")}
PLANS = [
    LayerPlan(layer="conv1", kind="convolution", **CODES),
    LayerPlan(layer="mean", kind="pooling"),
    LayerPlan(layer="fc", kind="linear", **CODES),
]


def timing(name: str, precision: str = "W8A8") -> LayerTiming:
    return LayerTiming(name, "Op", precision, "kernel", 5.0, 1.0)


def line(name: str) -> DispatchLine:
    return DispatchLine(name, "Op", "fp32", "kernel", 5.0, 1.0, "torch")


def test_every_layer_is_there_once() -> None:
    found = joined(CELL, PLANS, [timing("conv1"), timing("flatten", "A8"), timing("fc")], {})
    assert [one.name for one in found] == ["conv1", "mean", "flatten", "fc"], "a layer stands behind the one before"
    assert (found[1].time_us, found[1].kernel, found[1].note) == (0.0, "", NO_KERNEL)
    assert {one.runtime for one in found} == {"onnxruntime"}
    assert [one.fallback for one in found] == [""] * 4


def test_layers_in_floats_are_marked() -> None:
    found = joined(CELL, PLANS, [timing("conv1", "fp32"), timing("fc", "fp32"), timing("add", "fp32")], {"fc": "why"})
    assert {one.name: one.fallback for one in found} == {
        "conv1": "computed in fp32, W8A8 was asked for",
        "mean": "",
        "fc": "why",
        "add": "",
    }


def test_side_by_side_keeps_both_orders() -> None:
    first = Dispatch("a", "fp32", "", [line("conv1"), line("bn1"), line("fc")], 1.0)
    second = Dispatch("b", "fp32", "", [line("quantize"), line("conv1"), line("flatten"), line("fc")], 1.0)
    found = list(side_by_side([first, second]))
    names = [name for name, _ in found]
    assert sorted(names) == ["bn1", "conv1", "fc", "flatten", "quantize"]
    assert [name for name in names if name in ("conv1", "bn1", "fc")] == ["conv1", "bn1", "fc"]
    assert [name for name in names if name not in ("bn1",)] == ["quantize", "conv1", "flatten", "fc"]
    assert dict(found)["bn1"] == [line("bn1"), None]
    assert (first.time_us, first.reformat_us) == (15.0, 3.0)
