"""Convolutions and linear layers in ONNX: of floats, of codes with static scales, of codes with scales found when
running, and with weights alone in codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto
from torch import fx

from immabench.export.activations import Codes
from immabench.export.sums import bias_codes, sum_parameters
from immabench.export.weights import IntegerWeights, integer_weights, write_alone, write_integers
from immabench.quantize.attributes import arguments, is_product, sizes
from immabench.quantize.layers import Layer
from immabench.quantize.readings import Reading
from immabench.quantize.schemes import QuantizationParameters

if TYPE_CHECKING:
    from immabench.export.writer import GraphWriter

FLOAT = TensorProto.FLOAT

NOT_CODES = "its sums go on as floats, or its result does, and integer convolutions give codes alone"


@dataclass(frozen=True)
class Product:
    """A node that multiplies: `images` whether it convolves, `attributes` what ONNX's Conv has beside operands."""

    node: fx.Node
    images: bool
    attributes: dict[str, Any]

    @property
    def flat(self) -> bool:
        """Whether it multiplies a matrix, as Gemm does."""
        return not self.images and len(sizes(self.node.args[0])) == 2


def convolution(w: GraphWriter, node: fx.Node) -> str:
    """conv1d, conv2d and conv3d."""
    given = arguments(node)
    rank = len(sizes(given["weight"])) - 2
    if given["padding"] in ("same", "valid"):
        before, after = _named_padding(given, rank)
    else:
        before = after = _each(given["padding"], rank)
    attributes = {
        "strides": _each(given["stride"], rank),
        "pads": [*before, *after],
        "dilations": _each(given["dilation"], rank),
        "group": int(given["groups"]),
    }
    return _product(w, Product(node, True, attributes))


def linear(w: GraphWriter, node: fx.Node) -> str:
    """Gemm of a matrix, else MatMul and Add."""
    return _product(w, Product(node, False, {}))


def _product(w: GraphWriter, product: Product) -> str:
    layer = w.layer_of(product.node) if is_product(product.node) else None
    if layer is None or layer.name not in w.quantized.weights:
        return _of_floats(w, product)
    reading = w.readings.of(product.node, product.node.args[0])
    integers = integer_weights(w, layer)
    if reading is None or integers is None:
        return _of_decoded_weights(w, product, layer)
    if reading.parameters is None:
        return _of_found_codes(w, product, layer, reading, integers)
    return _of_static_codes(w, product, layer, reading.parameters, integers)


def _of_floats(w: GraphWriter, product: Product) -> str:
    node, type_ = product.node, w.type_at(product.node)
    image, weight, bias = (*node.args, None)[:3]
    given = [w.read(node, image, type_), w.tensor(weight, type_)]
    added = None if bias is None else w.tensor(bias, type_)
    return _multiplied(w, product, given, added, by_columns=False)


def _of_decoded_weights(w: GraphWriter, product: Product, layer: Layer) -> str:
    node, type_ = product.node, w.type_at(product.node)
    if w.plans[layer.name].activations is not None:
        w.in_floats[layer.name] = "groups of weights with scales of their own"
    weight = write_alone(w, layer, type_, columns=not product.images)
    return _multiplied(w, product, [w.read(node, node.args[0], type_), weight], _bias(w, layer, type_))


def _of_static_codes(
    w: GraphWriter, product: Product, layer: Layer, parameters: QuantizationParameters, integers: IntegerWeights
) -> str:
    """Q/DQ around a float operator, which the engine replaces by an integer one."""
    by_columns = w.engine.by_columns and not product.images
    given = [w.read(product.node, product.node.args[0]), write_integers(w, layer, integers, by_columns)]
    bias, later = _bias(w, layer, FLOAT), None
    if bias is not None and w.engine.integer_bias and (product.images or product.flat):
        coded = _coded_bias(w, layer, parameters, integers)
        bias, later = (coded, None) if coded else (None, bias)
    result = _multiplied(w, product, given, bias, by_columns)
    result = _added(w, product.node, result, _by_channel(w, product, later))
    return _in_sum(w, product, layer, result) if product.images else result


def _multiplied(w: GraphWriter, product: Product, given: list[str], bias: str | None, by_columns: bool = True) -> str:
    """Conv; Gemm of a matrix; else MatMul and Add. Linear weights are [K, N] where `by_columns`, else [N, K]."""
    node, added = product.node, [] if bias is None else [bias]
    if product.images:
        return w.emit(node, "Conv", [*given, *added], **product.attributes)
    if product.flat:
        return w.emit(node, "Gemm", [*given, *added], **({} if by_columns else {"transB": 1}))
    weight = given[1] if by_columns else w.nodes.add("Transpose", [given[1]], w.where(node), perm=[1, 0])
    return _added(w, node, w.emit(node, "MatMul", [given[0], weight]), bias)


def _of_found_codes(w: GraphWriter, product: Product, layer: Layer, reading: Reading, integers: IntegerWeights) -> str:
    """Integer sums, whose scale is known when they are."""
    node, where, by_token = product.node, layer.name, reading.recipe.scales == "token"
    has_zeros = by_token and not reading.recipe.symmetric
    found = w.activations.found(reading, w.tensor(node.args[0]))
    if product.images:
        given = [found.codes, *_unsigned_filters(w, layer, integers, found)]
    else:
        codes = w.nodes.constant(integers.codes.T, f"{where}.weight.codes", TensorProto.INT8)
        given = [found.codes, codes, *([] if has_zeros else [found.zero_point])]
    operator = "ConvInteger" if product.images else "MatMulInteger"
    sums = w.nodes.add(operator, given, where, type_=TensorProto.INT32, **product.attributes)
    if has_zeros:
        sums = w.nodes.add("Sub", [sums, _of_zero_points(w, layer, found, integers)], where)
    scale = w.nodes.constant(_along_channels(integers.scale, product), f"{where}.weight.scale")
    floats = _scaled(w, where, w.nodes.cast(sums, FLOAT, where), found.scale, scale, by_token)
    return _added(w, node, floats, _by_channel(w, product, _bias(w, layer, FLOAT)))


def _scaled(w: GraphWriter, where: str, sums: str, x_scale: str, w_scale: str, by_token: bool) -> str:
    """`sum * (x_scale * w_scale)`, which onnxruntime fuses; by token `(sum * x_scale) * w_scale`, which it does not.

    Its fused product has one scale for all tokens, but fuses several all the same, with wrong results (1.31.1).
    """
    if by_token:
        return w.nodes.add("Mul", [w.nodes.add("Mul", [sums, x_scale], where), w_scale], where)
    return w.nodes.add("Mul", [sums, w.nodes.add("Mul", [x_scale, w_scale], f"{where}.scale")], where)


def _unsigned_filters(w: GraphWriter, layer: Layer, integers: IntegerWeights, found: Codes) -> list[str]:
    """Filters 128 higher with the zero points of both: onnxruntime's ConvInteger takes no signed ones."""
    name = f"{layer.name}.weight"
    codes = w.nodes.constant(integers.codes.astype(np.int16) + 128, f"{name}.codes", TensorProto.UINT8)
    return [codes, found.zero_point, w.nodes.constant(np.int64(128), f"{name}.zero_point", TensorProto.UINT8)]


def _of_zero_points(w: GraphWriter, layer: Layer, found: Codes, integers: IntegerWeights) -> str:
    """What zero points of tokens add to sums, which onnxruntime's products do not take off themselves."""
    column_sums = w.nodes.constant(integers.codes.sum(1, dtype=np.int32), f"{layer.name}.weight.sums")
    zero = w.nodes.cast(found.zero_point, TensorProto.INT32, layer.name)
    return w.nodes.add("Mul", [zero, column_sums], layer.name)


def _in_sum(w: GraphWriter, product: Product, layer: Layer, result: str) -> str:
    """Codes of a convolution that a residual is added to, where the engine adds codes and the sum is codes."""
    reading, residual = w.readings.all_alike(w.node_named(layer.output)), w.readings.of_operand(layer.residual)
    if not w.engine.codes_in_sums:
        return result
    if reading is None or reading.parameters is None or (layer.residual and residual is None) or "gelu" in layer.fused:
        w.in_floats.setdefault(layer.name, NOT_CODES)
        return result
    if residual is None or residual.parameters is None:
        return result
    rectified = "relu" in layer.fused or "relu6" in layer.fused
    parameters = sum_parameters(reading.parameters, residual.parameters, rectified)
    return w.activations.static(result, parameters, f"{layer.name}.sum")


def _bias(w: GraphWriter, layer: Layer, type_: int) -> str | None:
    bias = w.quantized.biases.get(layer.name)
    return None if bias is None else w.nodes.constant(bias.float().numpy(), layer.bias, type_)


def _coded_bias(
    w: GraphWriter, layer: Layer, parameters: QuantizationParameters, integers: IntegerWeights
) -> str | None:
    """A bias as int32 behind DequantizeLinear; None, and the layer listed, where it does not fit."""
    found = bias_codes(w.quantized.biases[layer.name].numpy(), np.float32(parameters.scale), integers, parameters)
    if found is None:
        w.in_floats[layer.name] = "its bias is too large for int32 in steps of its product"
        return None
    codes, scale = found
    given = [
        w.nodes.constant(codes, f"{layer.bias}.codes", own=True),
        w.nodes.constant(scale, f"{layer.bias}.scale", own=True),
        w.nodes.constant(np.zeros(scale.shape, np.int32), f"{layer.bias}.zero_point", own=True),
    ]
    axis = {"axis": 0} if scale.ndim else {}
    return w.nodes.add("DequantizeLinear", given, layer.bias, type_=FLOAT, **axis)


def _by_channel(w: GraphWriter, product: Product, bias: str | None) -> str | None:
    """A bias in a shape that spreads over images."""
    if bias is None or not product.images:
        return bias
    shape = w.nodes.integers([1, -1, *[1] * (len(sizes(product.node)) - 2)], "channels")
    return w.nodes.add("Reshape", [bias, shape], w.where(product.node))


def _along_channels(scale: np.ndarray, product: Product) -> np.ndarray:
    return scale.reshape(-1, *[1] * (len(sizes(product.node)) - 2)) if scale.ndim and product.images else scale


def _added(w: GraphWriter, node: fx.Node, result: str, bias: str | None) -> str:
    return result if bias is None else w.emit(node, "Add", [result, bias])


def _each(sizes: int | Sequence[int], rank: int) -> list[int]:
    return [sizes] * rank if isinstance(sizes, int) else [int(size) for size in (*sizes, *[sizes[0]] * rank)[:rank]]


def _named_padding(given: dict[str, Any], rank: int) -> tuple[list[int], list[int]]:
    """torch's "same": the odd pixel comes last."""
    if given["padding"] == "valid":
        return [0] * rank, [0] * rank
    dilation = _each(given["dilation"], rank)
    reaches = [(size - 1) * step for size, step in zip(sizes(given["weight"])[2:], dilation, strict=True)]
    return [reach // 2 for reach in reaches], [reach - reach // 2 for reach in reaches]
