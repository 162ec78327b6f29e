"""Exact numpy oracles of pooling, bit for bit as docs/numerics.md ("Pooling") says.

Images are int8 NHWC. Their geometry is a `Convolution` whose filters are the windows, of dilation 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.convolution import Convolution, Pair
from immabench.errors import UsageError
from immabench.numerics import check_scale

_LOWEST = -128


def windows_of(x_shape: tuple[int, ...], window: Pair, stride: Pair, padding: Pair) -> Convolution:
    """The geometry of windows over images NHWC. Raises UsageError for one that cannot be, as `check_windows`."""
    images, height, width, channels = x_shape
    geometry = Convolution(images, height, width, channels, window, stride, padding)
    check_windows(geometry)
    return geometry


def check_windows(geometry: Convolution) -> None:
    """Raise UsageError unless every window holds a pixel, by torch's rule, and none has dilation."""
    if geometry.dilation != (1, 1):
        raise UsageError(f"{geometry}: windows have no dilation", "leave it out")
    if any(2 * padding > taps for padding, taps in zip(geometry.padding, geometry.filter, strict=True)):
        raise UsageError(f"{geometry}: padding is more than half of the window", "take at most filter / 2")


def max_pool2d(x: NDArray[np.int8], geometry: Convolution) -> NDArray[np.int8]:
    """The largest code of each window within the image, [images, out_height, out_width, channels]."""
    return _pooled(x, geometry, np.maximum, _LOWEST)


def avg_pool2d(
    x: NDArray[np.int8],
    geometry: Convolution,
    *,
    x_scale: float | np.float32 | None = None,
    scale: float | np.float32 | None = None,
    x_zero_point: int = 0,
    zero_point: int = 0,
    count_include_pad: bool = False,
) -> NDArray[np.int8]:
    """int8 codes of the average of each window, half to even: `rint(mean * (x_scale / scale)) + zero_point`.

    Without scales, which then are equal, that is the average of the codes, exactly up to 2^16 pixels a window. Raises
    UsageError for a scale that is not positive and finite, or is without the other.
    """
    if (x_scale is None) != (scale is None):
        raise UsageError("one scale of two is given", "pass x_scale and scale, or neither where they are equal")
    value = _means(x, geometry, x_zero_point, count_include_pad)
    if x_scale is not None and scale is not None:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            value = value * (_scale("x_scale", x_scale) / _scale("scale", scale))
    rounded = np.rint(np.nan_to_num(value, nan=0.0, posinf=2.0**30, neginf=-(2.0**30)))
    codes: NDArray[np.int8] = np.clip(rounded + np.float64(zero_point), -128, 127).astype(np.int8)
    return codes


def avg_pool2d_f32(
    x: NDArray[np.int8],
    geometry: Convolution,
    *,
    x_scale: float | np.float32 = 1.0,
    x_zero_point: int = 0,
    count_include_pad: bool = False,
) -> NDArray[np.float32]:
    """float32 averages of what the codes stand for: `mean * x_scale`. Raises UsageError as `avg_pool2d`."""
    with np.errstate(over="ignore", under="ignore"):
        return _means(x, geometry, x_zero_point, count_include_pad) * _scale("x_scale", x_scale)


def _means(
    x: NDArray[np.int8], geometry: Convolution, x_zero_point: int, count_include_pad: bool
) -> NDArray[np.float32]:
    """`f32(sum of x - x_zero_point) / f32(divisor)` of each window; sums are exact."""
    check_windows(geometry)
    sums = _pooled(x.astype(np.int32) - np.int32(x_zero_point), geometry, np.add, 0)
    rows, columns = (_pixels_within(geometry, axis) for axis in (0, 1))
    count = rows[:, None] * columns
    if count_include_pad:
        count = np.full_like(count, geometry.filter[0] * geometry.filter[1])
    means: NDArray[np.float32] = sums.astype(np.float32) / count.astype(np.float32)[None, :, :, None]
    return means


def _pixels_within(geometry: Convolution, axis: int) -> NDArray[np.int64]:
    """Of the windows along an axis, how many of their pixels are within the image."""
    size, outputs = ((geometry.height, geometry.out_height), (geometry.width, geometry.out_width))[axis]
    first = np.arange(outputs) * geometry.stride[axis] - geometry.padding[axis]
    count: NDArray[np.int64] = np.minimum(first + geometry.filter[axis], size) - np.maximum(first, 0)
    return count


def _pooled(x: NDArray[Any], geometry: Convolution, combine: Callable[..., Any], outside: int) -> NDArray[Any]:
    """Windows folded by `combine`, which is exact in any order: down the columns first, then along the rows."""
    check_windows(geometry)
    pads = ((0, 0), *((pad, pad) for pad in geometry.padding), (0, 0))
    values = np.pad(x.reshape(geometry.image_shape), pads, constant_values=outside)
    for axis, outputs in ((1, geometry.out_height), (2, geometry.out_width)):
        stride, taps = geometry.stride[axis - 1], geometry.filter[axis - 1]
        last = (outputs - 1) * stride + 1
        slices = (_along(values, axis, slice(tap, tap + last, stride)) for tap in range(taps))
        folded = next(slices).copy()
        for met in slices:
            combine(folded, met, out=folded)
        values = folded
    return values


def _along(values: NDArray[Any], axis: int, part: slice) -> NDArray[Any]:
    return values[(slice(None),) * axis + (part,)]


def _scale(name: str, scale: float | np.float32) -> np.float32:
    check_scale(name, np.array([scale], np.float32))
    return np.float32(scale)
