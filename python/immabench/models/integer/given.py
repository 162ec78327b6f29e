"""The integer reference beside another computation: each layer by its oracle, of the codes that the other stored.

So a layer's codes differ from the other's where that layer itself computes otherwise, and not where what it reads does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from immabench.models.integer.conversions import Quantize
from immabench.models.integer.model import IntegerModel
from immabench.models.integer.points import Point, StoredCodes
from immabench.models.integer.reference import Array, Reference


class Given(Reference):
    """Runs the oracles and puts `codes` in the place of what they give, wherever codes are stored.

    `computed` has what they gave, by the node whose value it is.
    """

    def __init__(self, model: IntegerModel, points: list[Point], codes: StoredCodes) -> None:
        super().__init__(model)
        self.computed: dict[str, Array] = {}
        self._codes = codes
        self._point_at = dict(self._places(points))

    def run_node(self, n: fx.Node) -> Any:
        """As the oracle has it; of a stored value the codes that were given."""
        found = super().run_node(n)
        point = self._point_at.get(n.name)
        if point is None or not isinstance(found, torch.Tensor) or found.dtype != torch.int8:
            return found
        self.computed.setdefault(point, found.numpy())
        codes = self._codes.get(point)
        return found if codes is None else torch.empty_like(found).copy_(torch.from_numpy(np.ascontiguousarray(codes)))

    def _places(self, points: list[Point]) -> Iterator[tuple[str, str]]:
        """The nodes of the graph that give the codes of a point: the layer, or what makes codes of its floats."""
        last = self._last_nodes()
        for point in points:
            node = last.get(point.named[0])
            if node is None:
                continue
            if point.layer is None:
                yield from self._of_operand(node, point)
            else:
                yield node.name, point.node
                yield from ((user.name, point.node) for user in node.users if self._quantizes(user, point))

    def _last_nodes(self) -> Mapping[str, fx.Node]:
        """Of each layer the node that gives its value, as `Recorder` has it."""
        steps = ((node, self._step_of.get(node.name)) for node in self.module.graph.nodes)
        return {step.layer: node for node, step in steps if step is not None and step.layer and not step.converts}

    def _of_operand(self, reader: fx.Node, point: Point) -> Iterator[tuple[str, str]]:
        """What makes codes of a value that operators in floats give."""
        source = reader.args[point.place] if point.place < len(reader.args) else None
        if isinstance(source, fx.Node):
            yield source.name, point.node

    def _quantizes(self, node: fx.Node, point: Point) -> bool:
        module = self.fetch_attr(str(node.target)) if node.op == "call_module" else None
        return isinstance(module, Quantize) and module.parameters_of_codes == point.parameters


def computed_of(model: IntegerModel, points: list[Point], codes: StoredCodes, inputs: tuple[Any, ...]) -> StoredCodes:
    """What the oracle of each stored value gives, where everything it is made of are `codes`."""
    run = Given(model, points, codes)
    run.records_of(*inputs)
    return run.computed
