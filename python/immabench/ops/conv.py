"""2-D convolutions of images, NHWC."""

from __future__ import annotations

import torch
from torch import Tensor

from immabench.convolution import Convolution
from immabench.errors import OperandError
from immabench.ops.epilogue import Epilogue, dtype_of
from immabench.ops.launching import launch
from immabench.problems import conv_problem


@torch.library.custom_op("immabench::conv2d_s8", mutates_args=())
def conv2d_s8(
    image: Tensor,
    filters: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    output_type: str = "s32",
    row_scale: Tensor | None = None,
    col_scale: Tensor | None = None,
    bias: Tensor | None = None,
    a_zero: Tensor | None = None,
    b_sum: Tensor | None = None,
    residual: Tensor | None = None,
    residual_scale: Tensor | None = None,
    residual_zero: Tensor | None = None,
    activation: str = "none",
    out_scale: Tensor | None = None,
    out_zero: Tensor | None = None,
    kernel: str = "",
) -> Tensor:
    """The convolution of int8 `image` [images,height,width,channels] with `filters` [F,r,s,channels], and the epilogue
    of `gemm_s8`: out [images,out_height,out_width,F].

    `stride`, `padding` and `dilation` are [height, width]. `col_scale`, `bias`, `out_scale` and `out_zero` are of
    filters, `row_scale` and `a_zero` one value, `residual` has the output's shape. Outside of the image is `a_zero`,
    else 0. Raises OperandError and UsageError in one line.
    """
    geometry = _geometry(image, filters, stride, padding, dilation)
    rows = residual if residual is None else residual.reshape(geometry.m, filters.shape[0])
    epilogue = Epilogue(
        row_scale, col_scale, bias, a_zero, b_sum, rows, residual_scale, residual_zero, out_scale, out_zero
    )
    problem = conv_problem(geometry, filters.shape[0], **epilogue.options(output_type, activation))
    out = launch(problem, image, filters.reshape(filters.shape[0], -1), epilogue, kernel)
    return out.view(_out_shape(geometry, filters))


@conv2d_s8.register_fake
def _(
    image: Tensor,
    filters: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    output_type: str = "s32",
    *_: object,
    **__: object,
) -> Tensor:
    geometry = _geometry(image, filters, stride, padding, dilation)
    return image.new_empty(_out_shape(geometry, filters), dtype=dtype_of(output_type))


def _out_shape(geometry: Convolution, filters: Tensor) -> list[int]:
    return [geometry.images, geometry.out_height, geometry.out_width, filters.shape[0]]


def _geometry(
    image: Tensor, filters: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> Convolution:
    for name, tensor in (("image", image), ("filters", filters)):
        if tensor.dtype != torch.int8:
            raise OperandError(f"{name} is {tensor.dtype}, expected torch.int8", "quantize it")
        if tensor.ndim != 4:
            raise OperandError(f"{name} has shape {list(tensor.shape)}", "pass an image NHWC and filters [F,r,s,C]")
    if image.shape[-1] != filters.shape[-1]:
        depths = f"{image.shape[-1]} channels and filters of {filters.shape[-1]}"
        raise OperandError(f"the image has {depths}", "pass filters of all channels: groups have no kernel")
    pairs = [(first, second) for first, second in (filters.shape[1:3], stride, padding, dilation)]
    return Convolution(*image.shape, *pairs)
