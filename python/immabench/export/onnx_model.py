"""A quantized model as an ONNX model: written, checked, with what it says of itself, and on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper
from torch import fx

from immabench import __version__
from immabench.errors import UsageError
from immabench.export.engines import check, default_opset, engine_named
from immabench.export.nodes import ELEMENT_TYPES
from immabench.export.notes import notes
from immabench.export.operators import WRITERS
from immabench.export.writer import GraphWriter
from immabench.quantize.quantized import QuantizedModel

OUTPUT = "output"

Dimensions = Sequence[Mapping[int, str]]
"""Of each input, the names of dimensions that may change, as `models.trained.TrainedModel.dimensions` has them."""


@dataclass(frozen=True)
class Exported:
    """An ONNX model in a file. `operators` counts its nodes by type; `in_floats` are layers whose codes no integer
    operator can multiply there, with the reason; `notes` what else the engine does not do as the recipe says."""

    path: Path
    engine: str
    opset: int
    ir_version: int
    size_bytes: int
    operators: dict[str, int]
    in_floats: dict[str, str]
    notes: tuple[str, ...]


def export_onnx(
    quantized: QuantizedModel,
    path: Path,
    engine: str = "onnxruntime",
    opset: int | None = None,
    dimensions: Dimensions = (),
    model: str = "",
) -> Exported:
    """Write a quantized model, or one in floats, as ONNX for an engine; `model` is what it calls itself.

    Raises UsageError for what the engine or the opset cannot have, operators without a counterpart, and a path that
    cannot be written; NothingSelectedError for an unknown engine.
    """
    made, writer = _made(quantized, engine, opset, dimensions, model)
    try:
        path.write_bytes(made.SerializeToString())
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror})", "choose another --out") from error
    operators = dict(sorted(Counter(node.op_type for node in made.graph.node).items()))
    size = path.stat().st_size
    return Exported(
        path,
        engine,
        writer.opset,
        made.ir_version,
        size,
        operators,
        dict(writer.in_floats),
        notes(writer.engine, quantized),
    )


def to_onnx(
    quantized: QuantizedModel,
    engine: str = "onnxruntime",
    opset: int | None = None,
    dimensions: Dimensions = (),
    model: str = "",
) -> onnx.ModelProto:
    """As `export_onnx`, but the model itself."""
    return _made(quantized, engine, opset, dimensions, model)[0]


def _made(
    quantized: QuantizedModel, engine: str, opset: int | None, dimensions: Dimensions, model: str
) -> tuple[onnx.ModelProto, GraphWriter]:
    chosen = engine_named(engine)
    opset = default_opset(quantized.recipe) if opset is None else opset
    check(chosen, opset, quantized.recipe, quantized.plans, quantized.traced.layers)
    writer = GraphWriter(quantized, chosen, opset, WRITERS)
    returned = writer.write()
    inputs = [node for node in quantized.traced.graph.graph.nodes if node.op == "placeholder"]
    names = _dimension_names(inputs, dimensions)
    graph = helper.make_graph(
        _named_outputs(writer, returned),
        model or "model",
        [_described(node, node.name, names) for node in inputs],
        [
            _described(node, name, names)
            for node, name in zip(_returned(quantized), _output_names(returned), strict=True)
        ],
        _read(writer),
    )
    opsets = [helper.make_opsetid("", opset)]
    made = helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="immabench",
        producer_version=__version__,
    )
    recipe = quantized.recipe
    helper.set_model_props(
        made, {"model": model, "recipe": recipe.name, "recipe_digest": recipe.digest, "engine": engine}
    )
    onnx.checker.check_model(made, full_check=True)
    return made, writer


def _output_names(returned: Sequence[str]) -> list[str]:
    return [OUTPUT] if len(returned) == 1 else [f"{OUTPUT}_{i}" for i in range(len(returned))]


def _named_outputs(writer: GraphWriter, returned: Sequence[str]) -> list[onnx.NodeProto]:
    """All nodes, and those that give the model's results their names."""
    pairs = zip(returned, _output_names(returned), strict=True)
    last = [helper.make_node("Identity", [value], [name], f"{name}/Identity") for value, name in pairs]
    return [*writer.nodes.nodes, *last]


def _read(writer: GraphWriter) -> list[onnx.TensorProto]:
    """Constants that some node reads."""
    read = {name for node in writer.nodes.nodes for name in node.input}
    return [one for one in writer.nodes.initializers if one.name in read]


def _returned(quantized: QuantizedModel) -> list[fx.Node]:
    output = next(node for node in quantized.traced.graph.graph.nodes if node.op == "output")
    found: list[fx.Node] = []
    fx.map_arg(output.args[0], found.append)
    return found


def _described(node: fx.Node, name: str, names: Mapping[str, str]) -> onnx.ValueInfoProto:
    value: torch.Tensor = node.meta["val"]
    shape = [size if isinstance(size, int) else names.get(_symbol(size), _symbol(size)) for size in value.shape]
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[value.dtype], shape)


def _dimension_names(inputs: Sequence[fx.Node], dimensions: Dimensions) -> dict[str, str]:
    """The name of each dimension that may change, by its symbol in the trace."""
    named = zip(inputs, dimensions, strict=False)
    sizes = [(node.meta["val"].shape[axis], name) for node, names in named for axis, name in names.items()]
    return {_symbol(size): name for size, name in sizes if not isinstance(size, int)}


def _symbol(size: Any) -> str:
    return str(size.node.expr)
