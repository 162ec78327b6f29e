"""Quantized models on disk: codes and scales as safetensors, everything else about them as JSON beside it.

The format is this package's own, versioned and checked when read: which tensors there are and of which shapes follows
from the model, and a checksum joins the two files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from immabench.assets import checksum
from immabench.errors import UsageError
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipes import Recipe
from immabench.quantize.schemes import QuantizationParameters
from immabench.quantize.traced import TracedModel
from immabench.quantize.weights import LayerWeights

VERSION: Final = 1
DESCRIPTION, TENSORS = "quantized.json", "model.safetensors"
PARTS = ("codes", "scale", "zero_point", "step")


class StoredModel(BaseModel):
    """`quantized.json`: what the tensors are of. `parameters` are those of static activations, by node of the graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["immabench-quantized"] = "immabench-quantized"
    version: Literal[1] = VERSION
    model: str
    title: str
    watermark: str
    calibration: str
    recipe: Recipe
    plans: list[LayerPlan]
    parameters: dict[str, dict[str, float | int]]
    shapes: dict[str, list[int]]
    tensors_sha256: str
    versions: dict[str, str]


def save_quantized(
    quantized: QuantizedModel, folder: Path, about: Mapping[str, Any], versions: Mapping[str, str]
) -> None:
    """Write a quantized model into a folder that is not there yet, or is empty. `about` has model, title, watermark and
    calibration of `StoredModel`. Raises UsageError for a folder with files or one that cannot be written."""
    from safetensors.torch import save_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", "choose another --out")
        save_file(_tensors(quantized), folder / TENSORS)
        stored = StoredModel(
            **about,
            recipe=quantized.recipe,
            plans=quantized.plans,
            parameters={node: asdict(found) for node, found in quantized.parameters_of.items()},
            shapes={name: list(weights.shape) for name, weights in quantized.weights.items()},
            tensors_sha256=checksum(folder / TENSORS),
            versions=dict(versions),
        )
        (folder / DESCRIPTION).write_text(stored.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror})", "choose another --out") from error


def is_quantized(folder: Path) -> bool:
    """Whether a folder holds a quantized model."""
    return (folder / DESCRIPTION).is_file()


def read_description(folder: Path) -> StoredModel:
    """What a folder holds. Raises UsageError for one that holds no quantized model of this version."""
    path = folder / DESCRIPTION
    try:
        return StoredModel.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{path} is no quantized model of version {VERSION} ({where}: {first['msg']})", "quantize it again"
        ) from error


def load_quantized(folder: Path, model: TracedModel) -> QuantizedModel:
    """The quantized model in a folder, on the graph of its architecture, whose own weights do not matter.

    Raises UsageError for damaged files and for those of another architecture.
    """
    stored = read_description(folder)
    tensors = _read_tensors(folder, stored)
    if [plan.layer for plan in stored.plans] != [layer.name for layer in model.layers]:
        raise UsageError(
            f"{folder} is of {stored.model}, whose layers are others", "name the model that it was made of"
        )
    model = model.copied()
    weights = {name: _weights(name, stored, tensors) for name in stored.shapes}
    biases = {name: tensors[f"{name}.bias"] for name in weights if f"{name}.bias" in tensors}
    decoded = {f"{name}.weight": one.values() for name, one in weights.items()}
    for name, tensor in model.graph.state_dict().items():
        found = decoded.get(name, tensors.get(name))
        if found is None or found.shape != tensor.shape:
            raise UsageError(f"{folder / TENSORS} has no {name} of {list(tensor.shape)}", "quantize it again")
        model.set(name, found)
    parameters = {node: QuantizationParameters(**values) for node, values in stored.parameters.items()}  # type: ignore[arg-type]
    return QuantizedModel(model, stored.recipe, stored.plans, weights, biases, parameters)


def _tensors(quantized: QuantizedModel) -> dict[str, torch.Tensor]:
    tensors = {name: tensor.clone() for name, tensor in quantized.traced.graph.state_dict().items()}
    for name, weights in quantized.weights.items():
        del tensors[f"{name}.weight"]
        for part in PARTS:
            tensor: torch.Tensor | None = getattr(weights, part)
            if tensor is not None:
                tensors[f"{name}.weight.{part}"] = tensor.clone()
        if name in quantized.biases:
            tensors[f"{name}.bias"] = quantized.biases[name].clone()
    return tensors


def _read_tensors(folder: Path, stored: StoredModel) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / TENSORS
    try:
        if checksum(path) != stored.tensors_sha256:
            raise UsageError(f"{path} is not the file that {DESCRIPTION} was written with", "quantize it again")
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "quantize it again") from error
    return tensors


def _weights(name: str, stored: StoredModel, tensors: Mapping[str, torch.Tensor]) -> LayerWeights:
    recipe = next(plan.weights for plan in stored.plans if plan.layer == name)
    parts: dict[str, Any] = {part: tensors.get(f"{name}.weight.{part}") for part in PARTS}
    if recipe is None or any(parts[part] is None for part in PARTS[:3]):
        raise UsageError(f"{TENSORS} has no codes and scales of {name}", "quantize it again")
    return LayerWeights(recipe, tuple(stored.shapes[name]), **parts)
