"""Codes of activations in ONNX: Q and DQ of static scales, and the arithmetic of those found when running.

docs/numerics.md (Quantize, Dynamic quantization) has the arithmetic. An engine of unsigned codes gets them 128 higher.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from immabench.export.engines import Engine
from immabench.export.nodes import Nodes
from immabench.quantize.readings import Reading
from immabench.quantize.schemes import QuantizationParameters

FLOAT = TensorProto.FLOAT
LEAST_INT8, MOST_INT8 = -128, 127


@dataclass(frozen=True)
class Codes:
    """Values in ONNX: codes, and the scale and zero point that they have, of the codes' type."""

    codes: str
    scale: str
    zero_point: str


class Activations:
    """Writes operands as codes, and what those stand for."""

    def __init__(self, nodes: Nodes, engine: Engine) -> None:
        self._nodes, self._engine = nodes, engine
        self._decoded: dict[str, QuantizationParameters] = {}
        self._selected: dict[str, QuantizationParameters] = {}
        self._bounds: dict[str, tuple[int, int]] = {}
        self.type = TensorProto.UINT8 if engine.unsigned else TensorProto.INT8
        self._higher = 128 if engine.unsigned else 0

    def read(self, reading: Reading, value: str) -> str:
        """What the codes of `value` stand for, fp32: itself where that is what it is."""
        if reading.parameters is None:
            return self._decode_found(self.found(reading, value), reading)
        if self._decoded.get(value) == reading.parameters:
            return value
        is_code = self._selected.get(value) == reading.parameters
        return self.static(value, reading.parameters, reading.operand.name, clip=not is_code)

    def bound(self, reading: Reading, value: str, low: float, high: float) -> None:
        """Let the codes of `value` that are still to be written be those of its values clamped to [low, high].

        Quantization is monotone, so that codes clamped are the codes of clamped values.
        """
        with_ = reading.parameters
        assert with_ is not None, "only static codes are clamped"
        self._bounds[value] = int(with_.codes(low)), int(with_.codes(high))

    def selected(self, value: str, source: str) -> None:
        """Remember that all of `value` is in `source`, or 0."""
        known = self._decoded.get(source, self._selected.get(source))
        if known is not None and value != source:
            self._selected[value] = known

    def static(self, value: str, with_: QuantizationParameters, where: str, clip: bool = True) -> str:
        """Q and DQ by a known scale; codes that the type has and the scheme has not are clipped, where engines can."""
        value = self._nodes.cast(value, FLOAT, where)
        scale = self._nodes.constant(np.float32(with_.scale), f"{where}.scale")
        zero = self._nodes.constant(np.int64(with_.zero_point + self._higher), f"{where}.zero_point", self.type)
        codes = self._nodes.add("QuantizeLinear", [value, scale, zero], where, type_=self.type)
        least, most = self._bounds.get(value, (with_.qmin, with_.qmax))
        if self._engine.clips and clip and (least, most) != (LEAST_INT8, MOST_INT8):
            codes = self._clipped(codes, least, most, where)
        decoded = self._nodes.add("DequantizeLinear", [codes, scale, zero], where, type_=FLOAT)
        self._decoded[decoded] = with_
        return decoded

    def found(self, reading: Reading, value: str) -> Codes:
        """Codes by the range of the values themselves: of all, or of each token (the last dimension)."""
        where = reading.operand.name
        value = self._nodes.cast(value, FLOAT, where)
        if (reading.recipe.bits, reading.recipe.symmetric, reading.recipe.scales) == (8, False, "tensor"):
            types = [TensorProto.UINT8, FLOAT, TensorProto.UINT8]
            return Codes(*self._nodes.add_many("DynamicQuantizeLinear", [value], where, types))
        return self._by_symmetric_range(reading, value) if reading.recipe.symmetric else self._by_range(reading, value)

    def _by_symmetric_range(self, reading: Reading, value: str) -> Codes:
        where, most = reading.operand.name, reading.recipe.scheme.codes[1]
        farthest = self._reduced("ReduceMax", self._nodes.add("Abs", [value], where), reading)
        scale = self._scale(farthest, most, where)
        steps = self._nodes.add("Round", [self._nodes.add("Div", [value, scale], where)], where)
        codes = self._clipped_floats(steps, -most, most, where)
        if self._higher:
            codes = self._nodes.add("Add", [codes, self._number(self._higher, "higher")], where)
        zero = self._nodes.constant(np.int64(self._higher), f"{where}.zero_point", self.type)
        return Codes(self._nodes.cast(codes, self.type, where), scale, zero)

    def _by_range(self, reading: Reading, value: str) -> Codes:
        where = reading.operand.name
        qmin, qmax = (end + self._higher for end in reading.recipe.scheme.codes)
        none = self._number(0.0, "zero")
        low = self._nodes.add("Min", [self._reduced("ReduceMin", value, reading), none], where)
        high = self._nodes.add("Max", [self._reduced("ReduceMax", value, reading), none], where)
        scale = self._scale(self._nodes.add("Sub", [high, low], where), qmax - qmin, where)
        ratio = self._nodes.add("Neg", [self._nodes.add("Div", [low, scale], where)], where)
        least = self._clipped_floats(self._nodes.add("Round", [ratio], where), 0, qmax - qmin, where)
        zero = self._nodes.add("Add", [least, self._number(qmin, "qmin")], where)
        steps = self._nodes.add("Round", [self._nodes.add("Div", [value, scale], where)], where)
        codes = self._clipped_floats(self._nodes.add("Add", [steps, zero], where), qmin, qmax, where)
        return Codes(self._nodes.cast(codes, self.type, where), scale, self._nodes.cast(zero, self.type, where))

    def _reduced(self, operator: str, value: str, reading: Reading) -> str:
        where = reading.operand.name
        axes = [self._nodes.integers([-1], "last")] if reading.recipe.scales == "token" else []
        return self._nodes.add(operator, [value, *axes], where, keepdims=1 if axes else 0)

    def _scale(self, reach: str, steps: int, where: str) -> str:
        """A range in so many steps; 1 where that is 0."""
        scale = self._nodes.add("Div", [reach, self._number(steps, "steps")], where)
        positive = self._nodes.add("Greater", [scale, self._number(0.0, "zero")], where, type_=TensorProto.BOOL)
        return self._nodes.add("Where", [positive, scale, self._number(1.0, "one")], where, type_=FLOAT)

    def _decode_found(self, found: Codes, reading: Reading) -> str:
        """Of a scale for each token too, which DequantizeLinear does not have."""
        where = reading.operand.name
        if reading.recipe.scales == "tensor":
            return self._nodes.add("DequantizeLinear", [found.codes, found.scale, found.zero_point], where, type_=FLOAT)
        codes, zero = (self._nodes.cast(one, FLOAT, where) for one in (found.codes, found.zero_point))
        return self._nodes.add("Mul", [self._nodes.add("Sub", [codes, zero], where), found.scale], where)

    def _clipped(self, codes: str, least: int, most: int, where: str) -> str:
        ends = [
            self._nodes.constant(np.int64(end + self._higher), f"{where}.{name}", self.type)
            for name, end in (("least", least), ("most", most))
        ]
        return self._nodes.add("Clip", [codes, *ends], where)

    def _clipped_floats(self, values: str, least: float, most: float, where: str) -> str:
        return self._nodes.add("Clip", [values, self._number(least, "least"), self._number(most, "most")], where)

    def _number(self, number: float, name: str) -> str:
        return self._nodes.constant(np.float32(number), name)
