"""Where three computations of one quantized model part: simulated in floats, by the integer oracles, by an engine.

Compared are the codes in which values are stored, one after the other. Up to the first that differ all are the same, so
that what differs is the layer that gave them: its codes are computed again by each rule of `rules.py`, and the rule
that gives what was seen is the cause. Behind it every layer is asked for what it makes of the codes that it was given
(`given.py`), so that all layers that compute otherwise are found at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from immabench.models.integer.given import computed_of
from immabench.models.integer.model import IntegerModel
from immabench.models.integer.points import Point, StoredCodes, stored_codes, stored_points
from immabench.models.integer.products import IntegerProduct
from immabench.models.integer.reference import Array, Reference, stated
from immabench.models.integer.rules import explanations, output_codes
from immabench.operands import Operands
from immabench.problems import Problem
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.schemes import QuantizationParameters

IN_FLOATS = "floats are added in another order, or approximated otherwise"


@dataclass(frozen=True)
class Gap:
    """How codes differ from the reference's: so many of `elements`, by at most `largest`. They are those of `layer`, or
    of what operators in floats give the layer, where `computed` is not set.

    `own` of them differ from what the reference makes of the very codes that were read: those the layer itself is the
    cause of. None where no codes tell what it read.
    """

    layer: str
    computed: bool
    differing: int
    elements: int
    largest: int
    own: int | None = 0

    @property
    def place(self) -> str:
        """Whose codes they are, in words."""
        return self.layer if self.computed else f"what {self.layer} reads"


@dataclass(frozen=True)
class Finding:
    """The first gap. Each of `causes`, rules that work together, gives `explained` of the differing codes, 0 to 1: of
    few codes there may be several."""

    gap: Gap
    causes: tuple[tuple[str, ...], ...]
    explained: float

    def __str__(self) -> str:
        why = ", or ".join(" with ".join(rules) for rules in self.causes) or "no known rule"
        seen = f"{self.gap.differing} of {self.gap.elements} codes differ, by at most {self.gap.largest}"
        return f"{self.gap.place}: {seen}. Cause: {why}, which gives {self.explained:.1%} of them"


@dataclass(frozen=True)
class Comparison:
    """All gaps in the order of the model, those of none too, and the first that is one."""

    gaps: tuple[Gap, ...]
    first: Finding | None

    @property
    def at_fault(self) -> tuple[Gap, ...]:
        """Those of layers that compute otherwise themselves, whatever they were given."""
        return tuple(gap for gap in self.gaps if gap.own)


class Differences:
    """One run of the reference on a batch of inputs, with which others are compared."""

    def __init__(self, quantized: QuantizedModel, model: IntegerModel, *inputs: torch.Tensor) -> None:
        self._quantized, self._model, self._inputs = quantized, model, inputs
        self._points = stored_points(quantized)
        self._records = Reference(model).records_of(*inputs)
        self._codes = stored_codes(self._points, self._records)

    def simulated(self) -> Comparison:
        """The simulation: its values as the codes they are nearest to."""
        seen = self._quantized.stored_values(*self._inputs)
        return self.compare({point.node: point.codes(seen[point.node]) for point in self._points})

    def engine(self, model: IntegerModel) -> Comparison:
        """Another computation of the integer model: emulated, or on a GPU."""
        return self.compare(stored_codes(self._points, model.records(*self._inputs)))

    def of_operands(self, codes: Mapping[str, Array], sums: Mapping[str, QuantizationParameters]) -> Comparison:
        """An engine that names codes by the operands that read them, where it has them as they are stored."""
        found = {
            operand.stored: codes[operand.name]
            for layer in self._quantized.traced.layers
            for operand in layer.operands
            if operand.name in codes and codes[operand.name].shape == self._shape_of(operand.stored)
        }
        return self.compare(found, sums)

    def _shape_of(self, node: str) -> tuple[int, ...] | None:
        return self._codes[node].shape if node in self._codes else None

    def compare(self, codes: StoredCodes, sums: Mapping[str, QuantizationParameters] | None = None) -> Comparison:
        """Codes that an engine stored; `sums` are those that it rounds sums to before residuals, by layer."""
        points = [point for point in self._points if point.node in codes and point.node in self._codes]
        gaps = [_gap(point, codes[point.node], self._codes[point.node]) for point in points]
        first = next((place for place, gap in enumerate(gaps) if gap.differing), None)
        if first is None:
            return Comparison(tuple(gaps), None)
        made = computed_of(self._model, points, codes, self._inputs)
        gaps = [replace(gap, own=_own(codes[at.node], made.get(at.node))) for at, gap in zip(points, gaps, strict=True)]
        point = points[first]
        causes, explained = self._causes(point, codes[point.node], (sums or {}).get(gaps[first].layer))
        return Comparison(tuple(gaps), Finding(gaps[first], causes, explained))

    def _causes(
        self, point: Point, seen: Array, sum_codes: QuantizationParameters | None
    ) -> tuple[tuple[tuple[str, ...], ...], float]:
        """The fewest rules that give all codes that were seen; else those that give the most, and their share."""
        call = self._call(point)
        if call is None:
            return ((IN_FLOATS,),), 1.0
        like, differing = self._records[point.named[0]].output, seen != self._codes[point.node]
        found: dict[tuple[str, ...], float] = {}
        for causes, rules in explanations(*call):
            if len(causes) > len(next(iter(found), causes)) and max(found.values()) == 1:
                break
            codes = _as_output(output_codes(*call, rules, sum_codes), like)
            share = float((codes[differing] == seen[differing]).mean())
            # Rules that change codes which did not differ explain nothing.
            found[causes] = share if np.array_equal(codes[~differing], seen[~differing]) else min(share, 0.999)
        best = max(found.values(), default=0.0)
        likeliest = [causes for causes, share in found.items() if share == best > 0]
        return tuple(one for one in likeliest if len(one) == len(likeliest[0])), best

    def _call(self, point: Point) -> tuple[Problem, Operands] | None:
        """The product that gives a point, ending in its codes; None where no product of integers does."""
        if point.layer is None:
            return None
        module, record = self._model.module_of(point.layer.name), self._records[point.layer.name]
        call = stated(module, *record.inputs) if isinstance(module, IntegerProduct) else None
        if call is None:
            return None
        scale = np.array([point.parameters.scale], np.float32)
        zero = np.array([point.parameters.zero_point], np.int32)
        problem = replace(call[0], output_type="s8", out_scale="tensor", out_zero=True)
        return problem, replace(call[1], out_scale=scale, out_zero=zero)


def _gap(point: Point, found: Array, want: Array) -> Gap:
    difference = np.abs(found.astype(np.int32) - want.astype(np.int32))
    layer, computed = point.named
    return Gap(layer, computed, int(np.count_nonzero(difference)), difference.size, int(difference.max(initial=0)))


def _own(found: Array, made: Array | None) -> int | None:
    return None if made is None else int(np.count_nonzero(found != made))


def _as_output(codes: Array, like: torch.Tensor) -> Array:
    """[M, N] in the shape of a layer's output: images are NCHW."""
    if like.dim() != 4:
        return codes.reshape(like.shape)
    images, channels, height, width = like.shape
    return codes.reshape(images, height, width, channels).transpose(0, 3, 1, 2)
