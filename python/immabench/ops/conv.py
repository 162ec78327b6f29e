"""2-D convolutions of images, NHWC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from immabench.convolution import Convolution
from immabench.errors import OperandError
from immabench.ops.epilogue import Epilogue, EpilogueOptions
from immabench.ops.registering import register
from immabench.ops.weights import (
    COUNT,
    WEIGHTS_SCHEMA,
    PackedOperands,
    PackedWeights,
    packed_matrices,
    with_row_sums,
)
from immabench.problems import Problem, conv_problem

if TYPE_CHECKING:
    from typing_extensions import Unpack

Pair = tuple[int, int]
"""Of height and width."""


def conv2d_s8(
    image: Tensor,
    filters: Tensor,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    **epilogue: Unpack[EpilogueOptions],
) -> Tensor:
    """The convolution of int8 `image` [images,height,width,channels] with `filters` [F,r,s,channels], and the epilogue
    of `EpilogueOptions`: out [images,out_height,out_width,F].

    `col_scale`, `bias`, `out_scale` and `out_zero` are of filters, `row_scale` and `a_zero` one value, `residual` has
    the output's shape. Outside of the image is `a_zero`, else 0. Raises OperandError and UsageError in one line.
    """
    return _call_s8(image, filters, stride, padding, dilation, **epilogue)


def conv2d_w4a8(
    image: Tensor,
    filters: PackedWeights,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    **epilogue: Unpack[EpilogueOptions],
) -> Tensor:
    """As `conv2d_s8`, with filters of 4 bits: those [F, r * s * channels] packed, and their `size` (r, s)."""
    options, pairs = with_row_sums(filters, epilogue), (size, stride, padding, dilation)
    return _call_w4a8(image, *filters.as_operands(), *pairs, **options)


Pairs = list[int]
"""A pair as a schema has it."""


def _conv2d_s8(
    image: Tensor, filters: Tensor, stride: Pairs, padding: Pairs, dilation: Pairs, epilogue: Epilogue
) -> Problem:
    geometry = _geometry(image, filters, stride, padding, dilation)
    return conv_problem(geometry, filters.shape[0], **epilogue.options())


def _out_shape(image: Tensor, filters: Tensor, stride: Pairs, padding: Pairs, dilation: Pairs) -> list[int]:
    return _outputs(_geometry(image, filters, stride, padding, dilation), filters.shape[0])


def _conv2d_w4a8(image: Tensor, *operands: Any) -> Problem:
    weights, (size, stride, padding, dilation, epilogue) = PackedOperands(*operands[:COUNT]), operands[COUNT:]
    geometry = _packed_geometry(image, weights, size, stride, padding, dilation)
    return conv_problem(geometry, weights.n, **weights.types(), **epilogue.options())


def _packed_out_shape(image: Tensor, *operands: Any) -> list[int]:
    weights = PackedOperands(*operands[:COUNT])
    return _outputs(_packed_geometry(image, weights, *operands[COUNT:]), weights.n)


PAIRS = "SymInt[] stride, SymInt[] padding, SymInt[] dilation"
_call_s8 = register("conv2d_s8", f"Tensor image, Tensor filters, {PAIRS}", _conv2d_s8, _out_shape)
_call_w4a8 = register(
    "conv2d_w4a8",
    f"Tensor image, {WEIGHTS_SCHEMA}, SymInt[] size, {PAIRS}",
    _conv2d_w4a8,
    _packed_out_shape,
    packed_matrices,
)


def _outputs(geometry: Convolution, filters: int) -> list[int]:
    return [geometry.images, geometry.out_height, geometry.out_width, filters]


def _packed_geometry(image: Tensor, weights: PackedOperands, size: Pairs, *pairs: Pairs) -> Convolution:
    _expect_image("image", image)
    weights.expect_activations("image", image)
    geometry = Convolution(*image.shape, *[(first, second) for first, second in (size, *pairs)])
    if geometry.k != weights.k:
        inner = f"{size[0]} x {size[1]} x {image.shape[-1]}"
        raise OperandError(f"filters have K={weights.k} and not {inner}", "pack filters [F, r * s * channels]")
    return geometry


def _geometry(image: Tensor, filters: Tensor, stride: Pairs, padding: Pairs, dilation: Pairs) -> Convolution:
    _expect_image("image", image)
    _expect_image("filters", filters)
    if image.shape[-1] != filters.shape[-1]:
        depths = f"{image.shape[-1]} channels and filters of {filters.shape[-1]}"
        raise OperandError(f"the image has {depths}", "pass filters of all channels: groups have no kernel")
    pairs = [(first, second) for first, second in (filters.shape[1:3], stride, padding, dilation)]
    return Convolution(*image.shape, *pairs)


def _expect_image(name: str, tensor: Tensor) -> None:
    if tensor.dtype != torch.int8:
        raise OperandError(f"{name} is {tensor.dtype}, expected torch.int8", "quantize it")
    if tensor.ndim != 4:
        raise OperandError(f"{name} has shape {list(tensor.shape)}", "pass an image NHWC and filters [F,r,s,C]")
