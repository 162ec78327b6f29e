"""2-D convolutions as the GEMM they are: which pixels a filter meets, and the matrix of them.

    out[n,p,q,f] = sum over r,s,c of image[n,h,w,c] * filter[f,r,s,c]
    h = p * stride - padding + r * dilation, and w of q and s likewise

Images are NHWC, filters KRSC. With M = images * out_height * out_width, N = filters, K = filter_h * filter_w * channels
that is `patches[M,K] @ filters[N,K]^T`, where `patches` (im2col) need never be in memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from immabench.errors import UsageError

if TYPE_CHECKING:
    from immabench.data_types import Array

Pair = tuple[int, int]
"""(height, width)."""

MAX_EXTENT = 2**14
"""Largest height or width, of images and of filters with their padding: kernels keep two such numbers in a word."""

EXAMPLE = "1x224x224x3_f7_s2_p3"
_PAIR = r"(\d+(?:x\d+)?)"
_FORM = re.compile(rf"(\d+)x(\d+)x(\d+)x(\d+)_f{_PAIR}(?:_s{_PAIR})?(?:_p{_PAIR})?(?:_d{_PAIR})?")


@dataclass(frozen=True)
class Convolution:
    """The geometry of a convolution, all but how many filters it has. Raises UsageError for one that cannot be.

    Sizes in pixels; `padding` is added on both sides.
    """

    images: int
    height: int
    width: int
    channels: int
    filter: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        least_one = (self.images, self.height, self.width, self.channels, *self.filter, *self.stride, *self.dilation)
        if min(least_one) < 1 or min(self.padding) < 0:
            raise UsageError(f"{self}: sizes, strides and dilations are at least 1", f"write it as {EXAMPLE}")
        if max(self.height, self.width, *self.span) + 2 * max(self.padding) > MAX_EXTENT:
            raise UsageError(f"{self}: images and filters go up to {MAX_EXTENT} pixels", "split the image")
        if min(self.out_height, self.out_width) < 1:
            raise UsageError(f"{self}: the filter is larger than the padded image", "pad the image more")

    @property
    def span(self) -> Pair:
        """Pixels from the first to the last that a filter meets, both included."""
        return self.dilation[0] * (self.filter[0] - 1) + 1, self.dilation[1] * (self.filter[1] - 1) + 1

    @property
    def out_height(self) -> int:
        """Rows of pixels of the output."""
        return (self.height + 2 * self.padding[0] - self.span[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Pixels in a row of the output."""
        return (self.width + 2 * self.padding[1] - self.span[1]) // self.stride[1] + 1

    @property
    def m(self) -> int:
        """Rows of the GEMM: pixels of all outputs."""
        return self.images * self.out_height * self.out_width

    @property
    def k(self) -> int:
        """Depth of the GEMM: elements of one filter."""
        return self.filter[0] * self.filter[1] * self.channels

    @property
    def image_shape(self) -> tuple[int, int, int, int]:
        """Of the input, NHWC."""
        return self.images, self.height, self.width, self.channels

    @property
    def image_elements(self) -> int:
        """Elements of the input."""
        return self.images * self.height * self.width * self.channels

    @property
    def is_plain(self) -> bool:
        """Whether the patches are the image as it lies: a 1x1 filter at every pixel."""
        return self.filter == self.stride == (1, 1) and self.padding == (0, 0)

    def __str__(self) -> str:
        """As `parse` reads it, what is usual left out: `1x224x224x3_f7_s2_p3`."""
        parts = [("f", self.filter, 0), ("s", self.stride, 1), ("p", self.padding, 0), ("d", self.dilation, 1)]
        named = [f"{name}{_pair_text(pair)}" for name, pair, usual in parts if pair != (usual, usual)]
        return "_".join(["x".join(map(str, self.image_shape)), *named])


def _pair_text(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _pair(text: str | None, usual: int) -> Pair:
    sizes = [int(size) for size in (text or str(usual)).split("x")]
    return sizes[0], sizes[-1]


@cache
def parse_convolution(text: str) -> Convolution:
    """The convolution that `text` names: `IMAGESxHEIGHTxWIDTHxCHANNELS_fFILTER[_sSTRIDE][_pPADDING][_dDILATION]`.

    The last four are one size or two, height first: `8x56x56x64_f1x3_p0x1`. Raises UsageError for anything else.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise UsageError(f"{text!r} is not a convolution", f"write it as {EXAMPLE}: NHWC, filter, stride, padding")
    images, height, width, channels = map(int, found.groups()[:4])
    pairs = [_pair(part, usual) for part, usual in zip(found.groups()[4:], (1, 1, 0, 1), strict=True)]
    return Convolution(images, height, width, channels, *pairs)


def patches(convolution: Convolution, image: Array, padding: int = 0) -> Array:
    """The matrix [M, K] of what each output pixel's filter meets, `padding` where that is outside of `image` (NHWC)."""
    pads = ((0, 0), *((pad, pad) for pad in convolution.padding), (0, 0))
    padded = np.pad(image.reshape(convolution.image_shape), pads, constant_values=padding)
    windows = np.lib.stride_tricks.sliding_window_view(padded, convolution.span, axis=(1, 2))
    (stride_h, stride_w), (dilation_h, dilation_w) = convolution.stride, convolution.dilation
    met = windows[:, ::stride_h, ::stride_w, :, ::dilation_h, ::dilation_w]
    return np.ascontiguousarray(met.transpose(0, 1, 2, 4, 5, 3)).reshape(convolution.m, convolution.k)
