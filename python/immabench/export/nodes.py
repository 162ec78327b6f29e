"""Nodes and initializers of an ONNX graph as they are written, each result once, each name once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

ELEMENT_TYPES = {
    torch.float64: TensorProto.DOUBLE,
    torch.float32: TensorProto.FLOAT,
    torch.float16: TensorProto.FLOAT16,
    torch.bfloat16: TensorProto.BFLOAT16,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
    torch.int8: TensorProto.INT8,
    torch.uint8: TensorProto.UINT8,
    torch.bool: TensorProto.BOOL,
}
"""ONNX's number of each type of torch."""

FLOATS = {TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}

FOUR_BITS = {TensorProto.INT4, TensorProto.UINT4}

SMALL = 16
"""Constants of at most so many elements are there once, however many ask for them; larger ones are known by name."""


class Nodes:
    """What has been written. A value is known by its name; `type_of` has its element type.

    A node that would compute what another does is not written again: its readers get the other's result.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.type_of: dict[str, int] = {}
        self._written: dict[Any, list[str]] = {}
        self._counts: dict[str, int] = {}

    def name_taken(self, name: str, type_: int) -> str:
        """A value that is given: an input of the graph."""
        self.type_of[name] = type_
        return self._unique(name)

    def add(self, operator: str, inputs: Sequence[str], where: str, *, type_: int = 0, **attributes: Any) -> str:
        """The result of an operator on values, of element type `type_`, else that of its first input.

        The node is called `where/operator`, with a number where that name is taken; its result has its name.
        """
        return self.add_many(operator, inputs, where, [type_ or self.type_of[inputs[0]]], **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], where: str, types: Sequence[int], **attributes: Any
    ) -> list[str]:
        """As `add`, of an operator with as many results as `types`."""
        key = (operator, tuple(inputs), repr(sorted(attributes.items())))
        if key not in self._written:
            name = self._unique(f"{where}/{operator}")
            outputs = [name] if len(types) == 1 else [f"{name}.{i}" for i in range(len(types))]
            self.nodes.append(helper.make_node(operator, list(inputs), outputs, name, **attributes))
            self.type_of.update(zip(outputs, types, strict=True))
            self._written[key] = outputs
        return self._written[key]

    def cast(self, value: str, type_: int, where: str) -> str:
        """The value in another type, itself where it has that."""
        return value if self.type_of[value] == type_ else self.add("Cast", [value], where, type_=type_, to=type_)

    def constant(self, array: Any, name: str, type_: int = 0, own: bool = False) -> str:
        """An initializer: numpy's type or `type_`, to which floats are rounded and of which integers are codes.

        `own`: for this name alone, however small. Parameters of weights are: onnxruntime rewrites them in place.
        """
        array = np.asarray(array)
        type_ = type_ or helper.np_dtype_to_tensor_dtype(array.dtype)
        key = (type_, array.shape, array.tobytes()) if array.size <= SMALL and not own else (type_, name)
        if key not in self._written:
            unique = self._unique(name)
            self.initializers.append(tensor(array, unique, type_))
            self.type_of[unique] = type_
            self._written[key] = [unique]
        return self._written[key][0]

    def integers(self, numbers: Sequence[int], name: str) -> str:
        """A constant vector of int64."""
        return self.constant(np.asarray(numbers, np.int64), name)

    def _unique(self, name: str) -> str:
        count = self._counts[name] = self._counts.get(name, 0) + 1
        return name if count == 1 else self._unique(f"{name}_{count}")


def tensor(array: np.ndarray, name: str, type_: int) -> onnx.TensorProto:
    """An initializer of raw bytes; of 4 bits two codes a byte, the low nibble first."""
    if type_ in FOUR_BITS:
        codes = array.reshape(-1).astype(np.uint8) & 15
        codes = np.append(codes, np.zeros(codes.size % 2, np.uint8))
        data = codes[::2] | codes[1::2] << 4
        return helper.make_tensor(name, type_, array.shape, data.tobytes(), raw=True)
    data = np.ascontiguousarray(array).astype(helper.tensor_dtype_to_np_dtype(type_))
    return helper.make_tensor(name, type_, array.shape, data.tobytes(), raw=True)
