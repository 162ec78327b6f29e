"""Max and average pooling of int8 images, NHWC."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from immabench import pooling
from immabench.convolution import Convolution
from immabench.errors import OperandError, UsageError
from immabench.kernels import geometry_sizes
from immabench.ops.companions import compute, expect_scale, expect_zero_point
from immabench.ops.epilogue import DTYPES, TensorKind, expect
from immabench.ops.registering import KEPT_CALLS, kind_of


@torch.library.custom_op("immabench::max_pool2d", mutates_args=())
def max_pool2d(x: Tensor, window: list[int], stride: list[int], padding: list[int], kernel: str = "") -> Tensor:
    """The largest code of each window within int8 x [images,height,width,channels]: int8 [images,out_height,out_width,
    channels], of the scale of x.

    `window`, `stride` and `padding` are [height, width], padding at most window / 2. docs/numerics.md specifies the
    windows. Raises OperandError and UsageError in one line.
    """
    geometry = _checked(x, window, stride, padding)
    out = x.new_empty(_out_shape(geometry))

    compute("max_pool2d", geometry, {"x": x}, {"out": out}, {"geometry": _sizes(geometry)}, kernel)
    return out


@max_pool2d.register_fake
def _(x: Tensor, window: list[int], stride: list[int], padding: list[int], kernel: str = "") -> Tensor:
    return x.new_empty(_out_shape(_geometry(x, window, stride, padding)))


@torch.library.custom_op("immabench::avg_pool2d", mutates_args=())
def avg_pool2d(
    x: Tensor,
    window: list[int],
    stride: list[int],
    padding: list[int],
    output_type: str = "s8",
    x_scale: Tensor | None = None,
    scale: Tensor | None = None,
    x_zero_point: Tensor | None = None,
    zero_point: Tensor | None = None,
    count_include_pad: bool = False,
    kernel: str = "",
) -> Tensor:
    """The average of each window within int8 x, as `max_pool2d` has them: s8, `rint(mean * (x_scale / scale)) +
    zero_point`, or f32, `mean * x_scale`. Global pooling has the image as its window.

    Scales are float32 [1], zero points int32 [1]. Of s8 both scales are given, or neither where they are equal; f32 has
    neither `scale` nor `zero_point`. `count_include_pad` divides by all of a window, padding being zeros.
    """
    geometry = _checked(x, window, stride, padding)
    out = _averages(x, geometry, output_type, x_scale, scale, x_zero_point, zero_point)

    inputs = {"x": x, "x_scale": x_scale, "scale": scale, "x_zero_point": x_zero_point, "zero_point": zero_point}
    options = {"geometry": _sizes(geometry), "count_include_pad": count_include_pad}
    compute("avg_pool2d", geometry, inputs, {"out": out}, options, kernel)
    return out


@avg_pool2d.register_fake
def _(
    x: Tensor,
    window: list[int],
    stride: list[int],
    padding: list[int],
    output_type: str = "s8",
    x_scale: Tensor | None = None,
    scale: Tensor | None = None,
    x_zero_point: Tensor | None = None,
    zero_point: Tensor | None = None,
    count_include_pad: bool = False,
    kernel: str = "",
) -> Tensor:
    geometry = _geometry(x, window, stride, padding)
    return _averages(x, geometry, output_type, x_scale, scale, x_zero_point, zero_point)


def _geometry(x: Tensor | TensorKind, window: list[int], stride: list[int], padding: list[int]) -> Convolution:
    expect("x", x, (torch.int8,))
    if x.ndim != 4:
        raise OperandError(f"x has shape {list(x.shape)}", "pass an image [images, height, width, channels]")
    pairs = {"window": window, "stride": stride, "padding": padding}
    for name, sizes in pairs.items():
        if len(sizes) != 2:
            raise UsageError(f"{name} is {list(sizes)}", "pass [height, width]")
    size, step, pad = ((sizes[0], sizes[1]) for sizes in pairs.values())
    images, height, width, channels = x.shape
    return pooling.windows_of((images, height, width, channels), size, step, pad)


def _checked(x: Tensor, window: list[int], stride: list[int], padding: list[int]) -> Convolution:
    """The same of a call with values, whose checks are kept."""
    return _kept_geometry(*map(kind_of, (x, window, stride, padding)))


_kept_geometry = functools.lru_cache(maxsize=KEPT_CALLS)(_geometry)
_sizes = functools.lru_cache(maxsize=KEPT_CALLS)(geometry_sizes)


def _out_shape(geometry: Convolution) -> tuple[int, int, int, int]:
    return geometry.images, geometry.out_height, geometry.out_width, geometry.channels


def _averages(
    x: Tensor,
    geometry: Convolution,
    output_type: str,
    x_scale: Tensor | None,
    scale: Tensor | None,
    x_zero_point: Tensor | None,
    zero_point: Tensor | None,
) -> Tensor:
    """Memory for the averages of a call that is right."""
    if output_type not in ("s8", "f32"):
        raise UsageError(f"unknown output_type {output_type!r}", "choose one of s8, f32")
    for name, one in (("x_scale", x_scale), ("scale", scale)):
        expect_scale(name, one)
    for name, one in (("x_zero_point", x_zero_point), ("zero_point", zero_point)):
        expect_zero_point(name, one)
    if output_type == "f32" and not (scale is None and zero_point is None):
        raise OperandError("scale and zero_point are those of codes, and the output is f32", "leave them out")
    if output_type == "s8" and (x_scale is None) != (scale is None):
        raise OperandError("one scale of two is given", "pass x_scale and scale, or neither where they are equal")
    return x.new_empty(_out_shape(geometry), dtype=DTYPES[output_type])
