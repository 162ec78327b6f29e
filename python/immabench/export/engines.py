"""What engines make integer kernels of, and what they cannot take: the patterns a model is exported in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immabench.errors import NothingSelectedError, UsageError
from immabench.quantize.layers import Layer
from immabench.quantize.plans import LayerPlan
from immabench.quantize.recipes import Recipe

LEAST_OPSET, MOST_OPSET = 18, 23
"""LayerNormalization is of 17, and 18 made axes of reductions inputs; later ones than the last are not tried out."""

FOUR_BIT_OPSET = 21
"""INT4, UINT4 and blocks of DequantizeLinear."""

BF16_OPSET = 22
"""bfloat16 images of convolutions and pooling."""

TENSORRT_GROUPS = (64, 128)
"""Blocks of INT4 weights that TensorRT takes (its documentation, "Quantization Schemes")."""


@dataclass(frozen=True)
class Engine:
    """The patterns of an engine.

    `unsigned`: codes of activations are uint8, 128 higher. `integer_bias`: biases are int32 codes. `codes_in_sums`:
    what a residual is added to is codes too. `clips`: codes that the type has and the scheme has not are clipped away.
    `by_columns`: weights of linear layers are [K, N], with scales along their second axis.
    """

    name: str
    unsigned: bool
    integer_bias: bool
    codes_in_sums: bool
    clips: bool
    by_columns: bool


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("onnxruntime", unsigned=True, integer_bias=True, codes_in_sums=True, clips=True, by_columns=True),
        Engine("tensorrt", unsigned=False, integer_bias=False, codes_in_sums=False, clips=False, by_columns=False),
    )
}


def engine_named(name: str) -> Engine:
    """The engine of that name. Raises NothingSelectedError, with the nearest names, for an unknown one."""
    if name not in ENGINES:
        raise NothingSelectedError.nearest("engine", name, ENGINES)
    return ENGINES[name]


def default_opset(recipe: Recipe) -> int:
    """The opset of a model that asks for none: with 4-bit integers, for bf16 the one that has it everywhere."""
    return BF16_OPSET if recipe.floats == "bf16" else FOUR_BIT_OPSET


def check(engine: Engine, opset: int, recipe: Recipe, plans: Sequence[LayerPlan], layers: Sequence[Layer]) -> None:
    """Raise UsageError, with what to choose instead, for what cannot be exported for an engine or in an opset."""
    if not LEAST_OPSET <= opset <= MOST_OPSET:
        raise UsageError(f"opset {opset} is not exported", f"choose {LEAST_OPSET} to {MOST_OPSET}")
    packed = next((plan.layer for plan in plans if is_packed(plan)), "")
    if packed and opset < FOUR_BIT_OPSET:
        reason = f"opset {opset} has neither 4-bit integers nor blocks, which {packed} needs"
        raise UsageError(reason, f"choose --opset {FOUR_BIT_OPSET} or later")
    if recipe.floats == "bf16" and opset < BF16_OPSET:
        raise UsageError(f"opset {opset} has no convolutions of bf16", f"choose --opset {BF16_OPSET} or later")
    if engine.name == "tensorrt":
        _check_tensorrt(recipe, plans, layers)


def _check_tensorrt(recipe: Recipe, plans: Sequence[LayerPlan], layers: Sequence[Layer]) -> None:
    for plan, layer in zip(plans, layers, strict=True):
        reason = _tensorrt_refuses(plan, layer)
        if reason:
            raise UsageError(f"recipe {recipe.name} is not for tensorrt: {plan.layer} has {reason}", _remedy(plan))


def is_packed(plan: LayerPlan) -> bool:
    """Whether the weights of a layer are stored in 4 bits or in blocks."""
    weights = plan.weights
    if weights is None or as_integers(plan):
        return False
    return weights.bits <= 4 or weights.granularity == "group"


def as_integers(plan: LayerPlan) -> bool:
    """Whether a layer multiplies codes by codes: its sums are integers, with one scale for each output."""
    weights = plan.weights
    if weights is None or plan.activations is None:
        return False
    return weights.granularity != "group" or weights.steps


def _tensorrt_refuses(plan: LayerPlan, layer: Layer) -> str:
    activations, weights = plan.activations, plan.weights
    if activations is not None:
        if activations.scales != "static":
            return "scales found when running"
        if not activations.symmetric:
            return "zero points"
        if activations.bits != 8:
            return f"activations of {activations.bits} bits"
        return "" if weights is None or as_integers(plan) else "groups of weights beside integer activations"
    if weights is None:
        return ""
    if weights.granularity != "group" or weights.bits > 4 or weights.group not in TENSORRT_GROUPS:
        return f"{weights.bits}-bit weights alone that are not in groups of {' or '.join(map(str, TENSORRT_GROUPS))}"
    if not weights.symmetric:
        return "zero points of weights"
    return "" if layer.kind == "linear" else f"{weights.bits}-bit weights of a {layer.kind}"


def _remedy(plan: LayerPlan) -> str:
    if plan.activations is None:
        return "choose w8a8-symmetric, or 4 bits in symmetric groups of 64 or 128 for linear layers"
    return "choose w8a8-symmetric, or export for onnxruntime"
