"""A profile of ONNX Runtime, joined to layers: its nodes are renamed, fused and moved to other layouts on the way.

Nodes of exported models are called `<layer>/<Op>`, those around them `<layer>.<role>/QuantizeLinear`. What is fused
keeps the name of its product; a convolution in blocked layout (NCHWc) is called after the tensor it writes; what only
reorders has no name of its own, and belongs to the layer it reorders for. A profile is JSON with an event a node and
run (Chrome's trace event format), durations in microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immabench.models.runtimes.base import LayerTiming, median_of_runs

SUFFIX = "_kernel_time"
BLOCKED = "_nchwc"
"""What ONNX Runtime puts behind the name of a tensor that it writes in blocks of channels."""

REFORMATS = {
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "Transpose",
    "ReorderInput",
    "ReorderOutput",
    "Cast",
    "MemcpyToHost",
    "MemcpyFromHost",
}
"""Nodes that change types, codes or layouts, and compute nothing."""

PRODUCTS = ("Conv", "MatMul", "Gemm")
TYPES = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16"}
WEIGHT_ONLY = {"MatMulNBits": "W4A16"}
DYNAMIC = {"DynamicQuantizeMatMul": "W8A8"}
"""Operators whose inputs are floats and whose arithmetic is not."""


@dataclass(frozen=True)
class Event:
    """A node in one run."""

    layer: str
    """"" of one that belongs to whatever comes next."""
    op: str
    kernel: str
    precision: str
    microseconds: float

    @property
    def reformats(self) -> bool:
        """Whether it computes nothing."""
        return self.op in REFORMATS


def read_profile(profile: Path, model: Path, runs: int) -> list[LayerTiming]:
    """The layers of the last `runs` runs of a profile, in the order they run.

    `model` is the ONNX file that was loaded: its names are what layers are joined by.
    """
    events = json.loads(profile.read_text(encoding="utf-8"))
    spans = [(event["ts"], event["ts"] + event["dur"]) for event in events if event["name"] == "model_run"]
    nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(SUFFIX)]
    writers = _writers(model)
    found = [[_event(event, writers) for event in nodes if start <= event["ts"] <= end] for start, end in spans[-runs:]]
    return median_of_runs([_layers(_with_owner(run)) for run in found])


def _writers(model: Path) -> dict[str, str]:
    """The name of the node that writes each tensor."""
    import onnx

    graph = onnx.load(str(model), load_external_data=False).graph
    return {output: node.name for node in graph.node for output in node.output}


def _event(event: Mapping[str, Any], writers: Mapping[str, str]) -> Event:
    name, arguments = event["name"].removesuffix(SUFFIX), event["args"]
    op = str(arguments["op_name"])
    blocked = name.endswith(BLOCKED)
    node = writers.get(name.removesuffix(BLOCKED), "") if blocked else name
    provider = str(arguments.get("provider", "")).removesuffix("ExecutionProvider")
    kernel = f"{op}{' NCHWc' if blocked else ''} ({provider})"
    return Event(owner(node, op), op, kernel, _precision(op, arguments), float(event["dur"]))


def owner(node: str, op: str) -> str:
    """The layer that a node belongs to by its name: `conv1`, of `conv1.input/QuantizeLinear`; "" where it has none."""
    if "/" not in node:
        return ""
    place = node.partition("/")[0]
    return place.rpartition(".")[0] or place if op in REFORMATS else place


def _precision(op: str, arguments: Mapping[str, Any]) -> str:
    """By the type of the first input, which is what a product reads."""
    if op in WEIGHT_ONLY or op in DYNAMIC:
        return WEIGHT_ONLY.get(op) or DYNAMIC[op]
    types = [name for entry in arguments.get("input_type_shape") or () for name in entry]
    first = types[0] if types else ""
    if first in ("int8", "uint8"):
        return "W8A8" if any(product in op for product in PRODUCTS) else "A8"
    return TYPES.get(first, first)


def _with_owner(events: Sequence[Event]) -> list[Event]:
    """Nodes without a layer belong to the next that has one; what reorders outputs, and the last, to the one before."""
    owned: list[Event] = []
    layer = ""
    for event in reversed(events):
        layer = event.layer or layer
        owned.append(_of(event, layer))
    layer = ""
    result = []
    for event, own in zip(events, reversed(owned), strict=True):
        before = not event.layer and (event.op == "ReorderOutput" or not own.layer)
        result.append(_of(event, layer) if before and layer else own)
        layer = result[-1].layer
    return result


def _of(event: Event, layer: str) -> Event:
    return Event(layer, event.op, event.kernel, event.precision, event.microseconds)


def _layers(events: Sequence[Event]) -> list[LayerTiming]:
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.layer, []).append(event)
    return [_layer(name, of) for name, of in groups.items()]


def _layer(name: str, events: Sequence[Event]) -> LayerTiming:
    computing = [event for event in events if not event.reformats]
    times: dict[str, float] = {}
    for event in computing or events:
        times[event.kernel] = times.get(event.kernel, 0.0) + event.microseconds
    longest = max(times, key=lambda kernel: times[kernel])
    first = next(event for event in computing or events if event.kernel == longest)
    time = sum(event.microseconds for event in computing)
    reformat = sum(event.microseconds for event in events) - time
    return LayerTiming(name, first.op, first.precision, longest, time, reformat)
