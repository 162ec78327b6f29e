"""Models made, exported and run by ONNX Runtime, for tests of what comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from small_models import Architecture

from immabench.export import to_onnx
from immabench.quantize import ptq
from immabench.quantize.observing import observe
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipes import Recipe
from immabench.quantize.traced import TracedModel

ERRORS_ALONE = 3
"""ONNX Runtime's level of messages: it warns of optimized models that it writes."""

W8A8 = {"weights": {"bits": 8}, "activations": {"calibrator": "minmax", "residuals": True}}


def quantized(model: TracedModel, *batch: torch.Tensor, **tables: Any) -> QuantizedModel:
    """`model` with a recipe of these tables, calibrated with one batch."""
    recipe = Recipe.model_validate({"name": "r", **tables})
    return ptq.quantize(model, recipe, observe(model, [batch]) if recipe.needs_calibration else None)


def of(known: Architecture, **tables: Any) -> QuantizedModel:
    """A known architecture with a recipe."""
    return quantized(known.traced, *known.inputs, **tables)


def session(model: onnx.ModelProto, optimized: Path | None = None, **entries: str) -> onnxruntime.InferenceSession:
    """ONNX Runtime with a model, on one thread; `optimized` is where it leaves what it makes of it.

    Sums are exact on processors without VNNI too.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = ERRORS_ALONE
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    for key, value in {"x64quantprecision": "1", **entries}.items():
        options.add_session_config_entry(f"session.{key}", value)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(made: onnxruntime.InferenceSession, *inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """All outputs by name."""
    names = [output.name for output in made.get_outputs()]
    feeds = {given.name: tensor.numpy() for given, tensor in zip(made.get_inputs(), inputs, strict=True)}
    return dict(zip(names, made.run(names, feeds), strict=True))


def optimized_operators(model: onnx.ModelProto, folder: Path) -> Counter[str]:
    """How often each operator is in what ONNX Runtime runs."""
    path = folder / "optimized.onnx"
    session(model, path)
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def exposing(model: onnx.ModelProto, names: Sequence[str], type_: int = onnx.TensorProto.UINT8) -> onnx.ModelProto:
    """The same with further outputs."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for name in dict.fromkeys(names):
        copied.graph.output.append(onnx.helper.make_tensor_value_info(name, type_, None))
    return copied


class Graph:
    """Nodes and constants of a model by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = {node.name: node for node in model.graph.node}
        self.constants = {one.name: one for one in model.graph.initializer}
        self._from = {output: node for node in model.graph.node for output in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def array(self, name: str) -> np.ndarray:
        return onnx.numpy_helper.to_array(self.constants[name])

    def source(self, name: str) -> onnx.NodeProto:
        return self._from[name]

    def readers(self, name: str) -> list[onnx.NodeProto]:
        return self._readers.get(name, [])

    def attributes(self, name: str) -> dict[str, Any]:
        return {one.name: onnx.helper.get_attribute_value(one) for one in self.nodes[name].attribute}

    def of_type(self, operator: str) -> list[str]:
        return [name for name, node in self.nodes.items() if node.op_type == operator]


def graph_of(model: QuantizedModel, **options: Any) -> Graph:
    return Graph(to_onnx(model, **options))
