"""Shapes that the kernels around a GEMM take: matrices, windows over images, and heads of attention."""

from __future__ import annotations

from typing import Any

from immabench.convolution import Convolution, parse_convolution
from immabench.kernels import CompanionShape

MatrixShape = tuple[int, ...]
"""(rows, columns)."""

# Around loads in flight, vectors of 16, 4 and 1 channels, a block of windows, the channels and the pixels that a block
# of threads takes of one window; padding on every side, windows that leave pixels out.
WINDOWS = tuple(
    map(
        parse_convolution,
        (
            "1x1x1x1_f1",
            "1x17x16x16_f1",
            "2x7x6x32_f3_s2_p1",
            "1x5x4x48_f2_s2",
            "1x6x7x20_f3x2_s1x3_p1",
            "3x4x5x7_f2x4_p1x2",
            "1x7x7x64_f7",
            "1x14x15x36_f14",
            "1x12x11x48_f13x10_p6x5",
        ),
    )
)


def companion_shape(sizes: tuple[Any, ...]) -> CompanionShape:
    """A shape as `shapes.parse_any` reads it: sizes, or the name of windows."""
    return parse_convolution(*sizes) if len(sizes) == 1 else sizes


def sizes_of(shape: CompanionShape) -> tuple[int, ...]:
    """The sizes themselves, of windows those of their images, NHWC."""
    return shape.image_shape if isinstance(shape, Convolution) else shape


def windows_of(shape: CompanionShape) -> list[str]:
    """What is said of windows beside the sizes of their images: `f3_s2_p1`."""
    return [str(shape).split("_", 1)[1]] if isinstance(shape, Convolution) else []


def names_of(shape: CompanionShape) -> list[str]:
    """The parts of a problem's name."""
    if isinstance(shape, Convolution):
        return [str(shape)]
    letters = "rc" if len(shape) == 2 else "bhqkd"
    return [f"{letter}{size}" for letter, size in zip(letters, shape, strict=True)]
