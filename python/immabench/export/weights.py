"""Weights of layers in ONNX: codes as initializers with the DequantizeLinear that says what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from onnx import TensorProto

from immabench.export.engines import as_integers
from immabench.quantize.layers import Layer
from immabench.quantize.weights import LayerWeights, from_matrix

if TYPE_CHECKING:
    from immabench.export.writer import GraphWriter

LEAST_NORMAL = {
    TensorProto.FLOAT: float(torch.finfo(torch.float32).tiny),
    TensorProto.FLOAT16: float(torch.finfo(torch.float16).tiny),
    TensorProto.BFLOAT16: float(torch.finfo(torch.bfloat16).tiny),
}
"""Scales below have fewer bits."""


@dataclass(frozen=True)
class IntegerWeights:
    """int8 integers of a layer by channel or tensor: a weight is `codes * scale`. `codes` is [N, K] or
    [N, C, kh, kw], `scale` float32 [N] or a scalar."""

    codes: np.ndarray
    scale: np.ndarray

    @property
    def of_channels(self) -> np.ndarray:
        """A scale for each output, [N]."""
        return np.broadcast_to(self.scale, len(self.codes))

    @classmethod
    def of(cls, weights: LayerWeights) -> IntegerWeights:
        """Weights whose groups, where there are any, have integer steps: those are multiplied out, within int8."""
        codes = weights.codes.to(torch.int32)
        if weights.step is not None:
            groups = codes.reshape(len(weights.zero_point), -1) - weights.zero_point
            codes = (groups * weights.step.reshape(-1, 1)).reshape(codes.shape)
        scale = weights.scale.reshape(-1) if len(weights.scale) > 1 else weights.scale.reshape(())
        return cls(from_matrix(codes, weights.shape).to(torch.int8).numpy(), scale.numpy())


def integer_weights(w: GraphWriter, layer: Layer) -> IntegerWeights | None:
    """The integers of a layer that multiplies codes by codes, None for any other."""
    weights = w.quantized.weights.get(layer.name)
    if weights is None or not as_integers(w.plans[layer.name]):
        return None
    return IntegerWeights.of(weights)


def write_integers(w: GraphWriter, layer: Layer, integers: IntegerWeights, columns: bool) -> str:
    """int8 codes and their DequantizeLinear, fp32: [N, ...], or with `columns` [K, N]."""
    codes = integers.codes.T if columns else integers.codes
    axis = {"axis": int(columns)} if integers.scale.ndim else {}
    given = _constants(w, layer, codes, integers.scale, np.zeros(integers.scale.shape), TensorProto.INT8)
    return w.nodes.add("DequantizeLinear", given, f"{layer.name}.weight", type_=TensorProto.FLOAT, **axis)


def write_alone(w: GraphWriter, layer: Layer, type_: int, columns: bool) -> str:
    """Codes of weights beside float activations, or in groups, and what they stand for, of a float type.

    [N, K] or [N, C, kh, kw], or with `columns` [K, N]. Scales are of that type, but fp32 where it has no such number.
    """
    weights = w.quantized.weights[layer.name]
    scale = weights.scale if weights.step is None else _steps_times_scale(weights)
    least, greatest = float(scale.min()), float(scale.max())
    exact = type_ if LEAST_NORMAL[type_] <= least and greatest < _largest(type_) else TensorProto.FLOAT
    if weights.recipe.granularity == "group":
        decoded = _in_blocks(w, layer, weights, scale, exact, columns)
    else:
        decoded = _by_channel(w, layer, weights, exact, columns)
    return w.nodes.cast(decoded, type_, f"{layer.name}.weight")


def _by_channel(w: GraphWriter, layer: Layer, weights: LayerWeights, type_: int, columns: bool) -> str:
    codes = from_matrix(weights.codes, weights.shape).numpy()
    shape = (-1,) if len(weights.scale) > 1 else ()
    scale, zero = weights.scale.reshape(shape).numpy(), weights.zero_point.reshape(shape).numpy()
    axis = {"axis": int(columns)} if shape else {}
    given = _constants(w, layer, codes.T if columns else codes, scale, zero, _code_type(weights), type_)
    return w.nodes.add("DequantizeLinear", given, f"{layer.name}.weight", type_=type_, **axis)


def _in_blocks(
    w: GraphWriter, layer: Layer, weights: LayerWeights, scale: torch.Tensor, type_: int, columns: bool
) -> str:
    """Blocks along K, whose order in a filter is not ONNX's: that one is decoded as [N, K] and then turned."""
    rows, where = len(weights.codes), f"{layer.name}.weight"
    arrays = [one.reshape(rows, -1).numpy() for one in (weights.codes, scale, weights.zero_point)]
    codes, scales, zeros = (one.T for one in arrays) if columns else arrays
    given = _constants(w, layer, codes, scales, zeros, _code_type(weights), type_)
    decoded = w.nodes.add(
        "DequantizeLinear", given, where, type_=type_, axis=int(not columns), block_size=weights.recipe.group
    )
    if len(weights.shape) != 4:
        return decoded
    _, channels, height, width = weights.shape
    shape = w.nodes.integers([rows, height, width, channels], f"{where}.shape")
    return w.nodes.add("Transpose", [w.nodes.add("Reshape", [decoded, shape], where)], where, perm=[0, 3, 1, 2])


def _constants(
    w: GraphWriter,
    layer: Layer,
    codes: np.ndarray,
    scale: np.ndarray,
    zero_point: np.ndarray,
    code_type: int,
    type_: int = TensorProto.FLOAT,
) -> list[str]:
    name = f"{layer.name}.weight"
    return [
        w.nodes.constant(codes, f"{name}.codes", code_type, own=True),
        w.nodes.constant(scale, f"{name}.scale", type_, own=True),
        w.nodes.constant(zero_point.astype(np.int64), f"{name}.zero_point", code_type, own=True),
    ]


def _code_type(weights: LayerWeights) -> int:
    """The narrowest type of ONNX: groups with steps and zero points have codes of 0 to 15, all others are signed."""
    if weights.recipe.bits > 4:
        return int(TensorProto.INT8)
    return int(TensorProto.INT4 if weights.recipe.symmetric or not weights.recipe.steps else TensorProto.UINT4)


def _steps_times_scale(weights: LayerWeights) -> torch.Tensor:
    """float32 [N, groups]: steps folded into scales, each rounded once."""
    assert weights.step is not None, "groups with steps"
    return weights.step.float() * weights.scale


def _largest(type_: int) -> float:
    return float(torch.finfo(torch.float16).max) if type_ == TensorProto.FLOAT16 else float("inf")
