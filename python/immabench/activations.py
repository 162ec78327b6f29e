"""Activation functions of the epilogue in fp32, bit for bit as kernels/parts/activation.cuh computes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def activate(activation: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """`none`, `relu` (0 below 0) or `gelu`, `(x / 2) * (1 + erf(x * sqrt(1/2)))`, each step rounded to fp32."""
    if activation == "relu":
        return np.where(x < 0, np.float32(0), x)
    if activation == "gelu":
        return (x * np.float32(0.5)) * (np.float32(1) + erf_rational(x * ROOT_HALF))
    return x


ROOT_HALF = np.float32(np.sqrt(0.5))
ERF_END = np.float32(3.92)
_ERF_ABOVE = tuple(
    np.float32(float.fromhex(c))
    for c in (
        "0x1.20dd74p+0",
        "0x1.997024p-3",
        "0x1.9e4af2p-5",
        "0x1.e52804p-9",
        "0x1.297906p-13",
        "-0x1.06c5d0p-19",
        "0x1.564b76p-26",
    )
)
_ERF_BELOW = tuple(
    np.float32(float.fromhex(c))
    for c in ("0x1p+0", "0x1.05612cp-1", "0x1.d70702p-4", "0x1.d650c4p-7", "0x1.f537e6p-11")
)


def erf_coefficients() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """P and Q of `erf_rational`, the constant first; fp32 numbers."""
    return tuple(map(float, _ERF_ABOVE)), tuple(map(float, _ERF_BELOW))


def erf_rational(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The error function as the kernels compute it: z P(z^2) / Q(z^2) by Horner's rule in fp32, +-1 from 3.92 on."""
    square = np.minimum(z * z, ERF_END * ERF_END)
    above = np.full_like(square, _ERF_ABOVE[-1])
    for coefficient in _ERF_ABOVE[-2::-1]:
        above = above * square + coefficient
    below = np.full_like(square, _ERF_BELOW[-1])
    for coefficient in _ERF_BELOW[-2::-1]:
        below = below * square + coefficient
    return np.where(np.abs(z) >= ERF_END, np.sign(z), z * above / below)
