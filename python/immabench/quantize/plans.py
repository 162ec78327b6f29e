"""A recipe met with the layers of a model: what each does in the end, and why where that is not what was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict

from immabench.attention import DEPTHS
from immabench.errors import NothingSelectedError, UsageError
from immabench.quantize.layers import Layer, Operand
from immabench.quantize.recipes import ActivationRecipe, LayerRecipe, Recipe, WeightRecipe


class LayerPlan(BaseModel):
    """What a layer computes with. None is floats of the recipe's type. `residual`: what it adds is read as codes.

    `operator` of `immabench.ops` does it; "" where none does, so that the simulation is all there is: `note` says why.
    `fallback` is the reason why this is more than the recipe asked for, "" where it is not.
    """

    model_config = ConfigDict(frozen=True)

    layer: str
    kind: str
    weights: WeightRecipe | None = None
    activations: ActivationRecipe | None = None
    residual: bool = False
    operator: str = ""
    note: str = ""
    fallback: str = ""

    @property
    def precision(self) -> str:
        """`W8A8`, `W4A16`, of a pooling and of attention `A8`; "" for floats."""
        activations = f"A{self.activations.bits}" if self.activations else "A16"
        return f"W{self.weights.bits}{activations}" if self.weights else activations if self.activations else ""

    def quantized_operands(self, layer: Layer) -> tuple[Operand, ...]:
        """Of what `layer` reads, that which it reads as codes."""
        if self.activations is None:
            return ()
        return tuple(one for one in layer.operands if self.residual or one.role != "residual")


class ResolvedRecipe(BaseModel):
    """A recipe with what each layer of one model does by it, all defaults and fallbacks spelled out."""

    model_config = ConfigDict(frozen=True)

    recipe: Recipe
    layers: list[LayerPlan]


def plan(recipe: Recipe, layers: Sequence[Layer]) -> list[LayerPlan]:
    """What each layer does.

    Raises NothingSelectedError for a pattern of the recipe that no layer matches, UsageError for a layer whose patterns
    together make no valid pair.
    """
    _check_names(recipe.layers, [layer.name for layer in layers])
    return [_plan(recipe, layer) for layer in layers]


def check_layer_names(patterns: Iterable[str], layers: Sequence[Layer]) -> None:
    """Raise NothingSelectedError, with the nearest names, for a pattern that no product of the model matches."""
    _check_names(patterns, [layer.name for layer in layers if layer.is_product])


def _check_names(patterns: Iterable[str], names: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise NothingSelectedError.nearest("layer", pattern, names)


def _plan(recipe: Recipe, layer: Layer) -> LayerPlan:
    weights, activations = _asked(recipe, layer)
    if not layer.is_product:
        return _without_weights(layer, activations)
    weights, activations, fallback = _met(layer, weights, activations)
    operator, note = _operator(recipe, layer, weights, activations)
    residual = activations is not None and activations.residuals and layer.residual is not None
    return LayerPlan(
        layer=layer.name,
        kind=layer.kind,
        weights=weights,
        activations=activations,
        residual=residual,
        operator=operator,
        note=note,
        fallback=fallback,
    )


OPERATOR_OF = {"pooling": "avg_pool2d", "attention": "attention_s8"}
"""What computes layers without weights, of 8 bits."""


def _without_weights(layer: Layer, activations: ActivationRecipe | None) -> LayerPlan:
    """Codes are what others read anyway (`residuals`) or what the recipe asks for (`attention`)."""
    if activations is None:
        return LayerPlan(layer=layer.name, kind=layer.kind)
    wanted = activations.residuals
    if layer.kind == "attention":
        wanted, activations = activations.attention, activations.of_attention
    if not wanted:
        return LayerPlan(layer=layer.name, kind=layer.kind)
    note = _unknown_without_weights(layer, activations)
    operator = "" if note else OPERATOR_OF[layer.kind]
    return LayerPlan(layer=layer.name, kind=layer.kind, activations=activations, operator=operator, note=note)


def _unknown_without_weights(layer: Layer, activations: ActivationRecipe) -> str:
    if activations.bits < 8:
        return f"no kernel here computes {layer.kind} of {activations.bits} bits"
    depth = layer.depth // (2 * layer.groups)
    if layer.kind == "attention" and depth not in DEPTHS:
        return f"heads of {depth} have no kernel: those of {', '.join(map(str, DEPTHS))} have"
    return ""


def _asked(recipe: Recipe, layer: Layer) -> tuple[WeightRecipe | None, ActivationRecipe | None]:
    differences = LayerRecipe()
    for pattern, given in recipe.layers.items():
        if fnmatchcase(layer.name, pattern):
            differences = LayerRecipe(
                floats=given.floats,
                weights={**differences.weights, **given.weights},
                activations={**differences.activations, **given.activations},
            )
    try:
        return recipe.of_layer(differences)
    except ValueError as error:  # each pattern by itself is valid
        raise UsageError(f"{layer.name}: {error}", "look at all patterns of [layers] that match it") from error


def _met(
    layer: Layer, weights: WeightRecipe | None, activations: ActivationRecipe | None
) -> tuple[WeightRecipe | None, ActivationRecipe | None, str]:
    """What of a recipe this layer can have: less is never given, only more bits, and the reason."""
    if weights is None:
        return None, None, ""
    if layer.kind == "depthwise":
        return None, None, f"{layer.groups} groups: no kernel here has depthwise convolutions; stays in floats"
    if activations is not None and activations.scales == "token" and layer.kind == "convolution":
        return None, None, "pixels of an image are read by many rows and have no scale of their own; stays in floats"
    if weights.group and layer.depth % weights.group:
        wider = WeightRecipe(bits=8, range=weights.range)
        if activations is not None:
            activations = activations.model_copy(update={"bits": 8})
        return wider, activations, f"groups of {weights.group} do not divide K={layer.depth}; 8 bits by channel"
    return weights, activations, ""


def _operator(
    recipe: Recipe, layer: Layer, weights: WeightRecipe | None, activations: ActivationRecipe | None
) -> tuple[str, str]:
    """Which of `immabench.ops` computes a product, else why none does."""
    if weights is None:
        return "", ""
    widths = f"w{weights.bits}a{activations.bits if activations else 16}"
    if activations is None and recipe.floats == "fp32":
        return "", f"kernels of {widths} take fp16 or bf16 activations, and these are fp32"
    if layer.kind == "convolution":
        known = {"w8a8": "conv2d_s8", "w4a8": "conv2d_w4a8"}
    else:
        known = {
            "w8a8": "gemm_s8",
            "w4a4": "gemm_w4a4",
            "w4a8": "gemm_w4a8",
            "w4a16": "gemm_w4a16",
            "w8a16": "gemm_w8a16",
        }
    if widths not in known:
        return "", f"no kernel here computes a {layer.kind} of {widths}"
    scales = _unknown_scales(weights, widths)
    return ("", scales) if scales else (known[widths], "")


def _unknown_scales(weights: WeightRecipe, widths: str) -> str:
    """Why kernels of these widths do not take the weights' scales, "" where they do (`ops.pack_weights`)."""
    if weights.bits == 8 and not weights.symmetric:
        return f"kernels of {widths} have no zero points of weights"
    if weights.granularity == "group" and not weights.steps and weights.bits == 8:
        return f"kernels of {widths} have no groups"
    if weights.steps and widths != "w4a8":
        return f"kernels of {widths} have no steps"
    return ""
