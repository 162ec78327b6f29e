"""Recipes: how a model is quantized, as people write, read and compare it, and which combinations there are.

A recipe is a TOML file: `[weights]` and `[activations]` for all layers, `[calibration]`, `[methods]`, and
`[layers."layer1.*"]` for what differs. Where a table is absent, its side stays in `floats`.
docs/quantization.md has every key.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from immabench.packing.schemes import GROUPS
from immabench.quantize.calibrators import CALIBRATORS
from immabench.quantize.schemes import LEAST_BITS, MOST_BITS, TensorScheme

Bits = Annotated[int, Field(ge=LEAST_BITS, le=MOST_BITS)]
Floats = Literal["fp32", "fp16", "bf16"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightRecipe(_Table):
    """Codes of weights, seen as [N, K] with K in the order kernels read it: of a filter taps first, then channels.

    `granularity`: what one scale covers; `group` elements of K. `range`: all weights, or what has the least squared
    error. `steps`: groups have integer steps within int8 codes of the channel, as integer main loops take them.
    """

    bits: Bits = 8
    granularity: Literal["tensor", "channel", "group"] = "channel"
    group: int = 0
    symmetric: bool = True
    steps: bool = False
    range: Literal["minmax", "mse"] = "minmax"

    @property
    def scheme(self) -> TensorScheme:
        """The codes."""
        return TensorScheme(self.bits, self.symmetric)

    @model_validator(mode="after")
    def _is_valid(self) -> WeightRecipe:
        _refuse(self._reason())
        return self

    def _reason(self) -> str:
        if self.granularity == "group" and self.group not in GROUPS:
            return f"a group has {', '.join(map(str, GROUPS))} elements of K, not {self.group}"
        if self.granularity != "group" and (self.group or self.steps):
            return f"scales per {self.granularity} have no groups and no steps"
        if self.steps and (self.bits != 4 or self.range != "minmax"):
            return "steps are for 4 bits within int8, of the range of all weights"
        return ""


class ActivationRecipe(_Table):
    """Codes of what layers read. `scales`: one known beforehand ("static", by a calibrator), or found when running, of
    the tensor or of each token. `residuals`: what is added and pooled is read as codes too. `attention`: so are
    queries, keys and values, in 8 symmetric bits, as the fused kernel takes them."""

    bits: Bits = 8
    symmetric: bool = False
    scales: Literal["static", "tensor", "token"] = "static"
    calibrator: str | None = None
    residuals: bool = False
    attention: bool = False

    @property
    def scheme(self) -> TensorScheme:
        """The codes."""
        return TensorScheme(self.bits, self.symmetric)

    @property
    def of_attention(self) -> ActivationRecipe:
        """What queries, keys and values have."""
        return self.model_copy(update={"bits": 8, "symmetric": True})

    @model_validator(mode="after")
    def _is_valid(self) -> ActivationRecipe:
        _refuse(self._reason())
        return self

    def _reason(self) -> str:
        static = self.scales == "static"
        if static and self.calibrator not in CALIBRATORS:
            return f"static scales need a calibrator: {', '.join(CALIBRATORS)}, not {self.calibrator}"
        if not static and self.calibrator:
            return f"scales found when running have no calibrator, but {self.calibrator} is given"
        if not static and (self.residuals or self.attention):
            return f"{'residuals' if self.residuals else 'queries, keys and values'} in codes need static scales"
        return ""


class CalibrationRecipe(_Table):
    """How many samples are observed, the same of each class, and the seed they are chosen by."""

    samples: Annotated[int, Field(ge=1)] = 256
    seed: int = 0


class MethodsRecipe(_Table):
    """What is done beside rounding: cross-layer equalization before, correction of biases after."""

    equalize: bool = False
    bias_correction: bool = False


class LayerRecipe(_Table):
    """What differs for layers: keys of the tables of that name, or `floats = true` to leave them as they are."""

    floats: bool = False
    weights: dict[str, Any] = {}
    activations: dict[str, Any] = {}


LATER_KEYS = ("attention",)
"""Of activations: digests of recipes without them are what they were before there were such keys."""


class Recipe(_Table):
    """A whole recipe; `layers` by patterns of their names, later ones over earlier ones."""

    name: str
    description: str = ""
    floats: Floats = "fp32"
    weights: WeightRecipe | None = None
    activations: ActivationRecipe | None = None
    calibration: CalibrationRecipe = CalibrationRecipe()
    methods: MethodsRecipe = MethodsRecipe()
    layers: dict[str, LayerRecipe] = {}

    @property
    def is_float(self) -> bool:
        """Whether nothing is quantized."""
        return self.weights is None and self.activations is None

    @property
    def needs_calibration(self) -> bool:
        """Whether values of activations must have been seen."""
        return self.methods.bias_correction or (self.activations is not None and self.activations.scales == "static")

    @property
    def digest(self) -> str:
        """A short name of all that is in it but its name and description."""
        content = self.model_dump(mode="json", exclude={"name", "description"})
        content["layers"] = list(content["layers"].items())  # their order counts
        for key in LATER_KEYS:
            if content["activations"] and not content["activations"][key]:
                del content["activations"][key]  # recipes from before it are the same recipes
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _is_valid(self) -> Recipe:
        _refuse(unsupported_pair(self.weights, self.activations))
        for pattern, layer in self.layers.items():
            if layer.weights and self.weights is None:
                _refuse(f"layers {pattern!r} has weights, but the recipe has no [weights]")
            if layer.activations and self.activations is None:
                _refuse(f"layers {pattern!r} has activations, but the recipe has no [activations]")
            try:
                self.of_layer(layer)
            except ValueError as error:
                _refuse(f"layers {pattern!r}: {error}")
        return self

    def of_layer(self, layer: LayerRecipe) -> tuple[WeightRecipe | None, ActivationRecipe | None]:
        """The tables with what differs for a layer. Raises ValueError, in a line, where that is no valid pair."""
        if layer.floats:
            return None, None
        changed = _changed(self.weights, layer.weights), _changed(self.activations, layer.activations)
        _refuse(unsupported_pair(*changed))
        return changed


def unsupported_pair(weights: WeightRecipe | None, activations: ActivationRecipe | None) -> str:
    """Why no integer main loop multiplies these two, "" where one does; rules of docs/quantization.md."""
    if activations is None:
        return _unsupported_weights(weights)
    if weights is None:
        return "integer activations with float weights: no kernel multiplies them; give [weights]"
    if weights.bits > activations.bits:
        return (
            f"W{weights.bits}A{activations.bits}: matrix instructions take both operands in one width, and only "
            "weights are widened in registers; give activations as many bits"
        )
    if weights.granularity == "group" and weights.bits > 4:
        return f"groups of {weights.bits}-bit weights with integer activations: kernels have those of 4 bits alone"
    if not weights.symmetric and weights.granularity != "group":
        return (
            "asymmetric weights with integer activations: kernels take zero points off groups of 4 bits alone, before "
            "they multiply; set symmetric = true"
        )
    return ""


def _unsupported_weights(weights: WeightRecipe | None) -> str:
    if weights is not None and weights.granularity == "tensor" and not weights.symmetric:
        return "asymmetric weights with one scale: zero points are given per channel or group"
    return ""


def _changed(table: Any, changes: dict[str, Any]) -> Any:
    if not changes or table is None:
        return table
    try:
        return type(table).model_validate({**table.model_dump(), **changes})
    except ValidationError as error:
        raise ValueError(first_error(error)) from error


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong, in a line: `weights.bits: Input should be less than or equal to 8`."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _refuse(reason: str) -> None:
    """pydantic makes an error of the file and the table of it."""
    if reason:
        raise ValueError(reason)
