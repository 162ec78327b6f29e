"""A quantized model that computes with integers: a graph of modules and operators, and what each of them is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx


@dataclass(frozen=True)
class Step:
    """One operator of the graph, of the layer `layer`, "" for what belongs to none.

    `operator` is one of `immabench.ops`, or of ATen as `aten.add`. `converts` says that it only changes the form of a
    value. `note` is why a layer is not computed by integers, "" where it is.
    """

    name: str
    layer: str
    operator: str
    precision: str
    converts: bool = False
    note: str = ""


@dataclass(frozen=True)
class LayerRecord:
    """Of one run: what the last operator of a layer was given, operands in the order of `Layer.operands`, and gave."""

    inputs: tuple[Any, ...]
    output: torch.Tensor


class IntegerModel(torch.nn.Module):
    """What `lower` makes of a quantized model. `steps` are in the order they run."""

    def __init__(self, graph: fx.GraphModule, steps: Mapping[str, Step], kernel: str) -> None:
        super().__init__()
        self.graph, self._step_of, self.kernel = graph, dict(steps), kernel
        for module in graph.modules():
            if hasattr(module, "kernel"):
                module.kernel = kernel

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every operator."""
        return tuple(self._step_of.values())

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The model's output, float32, for a batch of its inputs."""
        with torch.no_grad():
            out: torch.Tensor = self.graph(*inputs)
        return out

    def timed(self, *inputs: torch.Tensor) -> list[tuple[Step, float]]:
        """Each step with the seconds it took, one after the other: on a GPU each waits for the one before."""
        timer = _Timer(self.graph, self._step_of)
        with torch.no_grad():
            timer.run(*inputs)
        return timer.times

    def records(self, *inputs: torch.Tensor) -> dict[str, LayerRecord]:
        """What each layer reads and gives, by its name: codes, int8, or floats."""
        return Recorder(self).records_of(*inputs)

    def module_of(self, layer: str) -> torch.nn.Module | None:
        """What computes a layer; None where it is simulated."""
        named = {step.name: node for node, step in self._step_of.items() if step.layer == layer}
        node = next((one for one in self.graph.graph.nodes if one.name == named.get(layer)), None)
        return None if node is None else self.graph.get_submodule(str(node.target))

    def on(self, device: torch.device | str) -> IntegerModel:
        """This model, moved: with what its graph makes on a device, as masks and positions."""
        target = torch.device(device)
        for node in self.graph.graph.nodes:
            node.args = fx.node.map_aggregate(node.args, lambda one: target if _is_device(one) else one)
            node.kwargs = fx.node.map_aggregate(node.kwargs, lambda one: target if _is_device(one) else one)
        self.graph.recompile()
        moved: IntegerModel = self.to(target)
        return moved


def _is_device(argument: Any) -> bool:
    return isinstance(argument, torch.device)


class _Timer(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, step_of: Mapping[str, Step]) -> None:
        super().__init__(graph)
        self._step_of, self.times = step_of, list[tuple[Step, float]]()

    def run_node(self, n: fx.Node) -> Any:
        step = self._step_of.get(n.name)
        if step is None:
            return super().run_node(n)
        start = time.perf_counter()
        found = super().run_node(n)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append((step, time.perf_counter() - start))
        return found


class Recorder(fx.Interpreter):
    """Runs a model and keeps what its layers read and give."""

    def __init__(self, model: IntegerModel) -> None:
        super().__init__(model.graph)
        self._step_of, self._records = model._step_of, dict[str, LayerRecord]()

    def records_of(self, *inputs: torch.Tensor) -> dict[str, LayerRecord]:
        """Of one run, by layer."""
        with torch.no_grad():
            self.output = self.run(*inputs)
        return self._records

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        step = self._step_of.get(n.name)
        if step is not None and step.layer and not step.converts:
            self._records[step.layer] = LayerRecord(self.fetch_args_kwargs_from_env(n)[0], found)
        return found
