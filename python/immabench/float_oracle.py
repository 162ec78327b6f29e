"""The oracle of problems with float operands: the exact product in float64, and how far from it a result may be.

docs/numerics.md derives the bounds. An integer problem has none: it is compared by bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from immabench.numerics import (
    Array,
    Comparison,
    as_float32,
    blocked_product,
    compare_exact,
    comparison,
    gemm_reference,
    integer_weights,
    round_to,
    shown,
)
from immabench.operands import Operands, typed_operands
from immabench.problems import INTEGER_TYPES, Problem

UNIT_ROUNDOFF = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}

FP8_STEP = 32
"""Products one FP8 tensor-core instruction of Hopper sums along K (`wgmma` m64nNk32)."""

FP8_SUM_ERROR = 2.0**-13
"""What such a sum loses, of the largest magnitude in it: about 14 bits are kept (DeepSeek-V3 technical report,
arXiv:2412.19437, section 3.5.2)."""

SUM_SIGMAS = 6.0
"""Partial sums of terms of random sign stay within so many root sums of squares: 2e-9 of them do not."""


@dataclass(frozen=True)
class FloatReference:
    """The float64 result `want` [M,N] of a float problem, and what the error of a computed one is measured by.

    `magnitude` is the sum of the absolute terms, `|A| |B|^T` with scales, plus `|bias|`; `rss` the root of the sum of
    the squared products, with scales, for FP8 only.
    """

    want: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    rss: NDArray[np.float64] | None = None


def float_reference(problem: Problem, operands: Operands) -> FloatReference:
    """The exact product of operands as `typed_operands` makes them, then scales and bias in float64.

    Every operand there is a whole multiple, below 2^12, of a power of two of its type's own, so products and their sums
    in any order are whole multiples of one unit below 2^53 for any K up to 2^29, which float64 holds.
    """
    a, b = decoded_a(problem, operands), decoded_b(problem, operands)
    scale = _outer_scale(operands)
    want = blocked_product(a, b, np.float64) * scale
    magnitude = (np.abs(a) @ np.abs(b).T) * scale
    rss = np.sqrt(np.square(a) @ np.square(b).T) * scale if problem.a_type == "e4m3" else None
    if operands.bias is None:
        return FloatReference(want, magnitude, rss)
    bias = as_float32(problem.bias_type, operands.bias).astype(np.float64)[None, :]
    return FloatReference(want + bias, magnitude + np.abs(bias), rss)


def decoded_a(problem: Problem, operands: Operands) -> NDArray[np.float32]:
    """The activations [M,K] as float32, exact."""
    return as_float32(problem.a_type, operands.a)


def decoded_b(problem: Problem, operands: Operands) -> NDArray[np.float32]:
    """The weights [N,K] as float32: of integers (q - zero) * scale, rounded once to the activations' type.

    Here that rounds nothing: scales are powers of two.
    """
    if problem.b_type not in INTEGER_TYPES:
        return as_float32(problem.b_type, operands.b)
    values = integer_weights(problem, operands).astype(np.float32)
    if operands.group_scale is None:
        return values
    scale = np.repeat(as_float32(problem.group_scale_type, operands.group_scale), problem.b_group, axis=1)
    return as_float32(problem.a_type, round_to(problem.a_type, values * scale))


def _outer_scale(operands: Operands) -> NDArray[np.float64]:
    """row_scale[m] * col_scale[n], [M or 1, N or 1]; 1 where both are absent."""
    one = np.ones(1)
    row = one if operands.row_scale is None else operands.row_scale.astype(np.float64)
    col = one if operands.col_scale is None else operands.col_scale.astype(np.float64)
    return row[:, None] * col[None, :]


def error_bound(problem: Problem, reference: FloatReference) -> NDArray[np.float64]:
    """Largest error allowed to a computed result, elementwise: `fp8_bound` of FP8 operands, else `float_bound`."""
    return fp8_bound(problem, reference) if reference.rss is not None else float_bound(problem, reference)


def float_bound(problem: Problem, reference: FloatReference) -> NDArray[np.float64]:
    """The bound of a GEMM that sums in fp32.

    `gamma(K + 1)` bounds K + 1 fp32 additions in any order (Higham, Accuracy and Stability of Numerical Algorithms,
    2nd ed., section 3.1); two roundings to the output type follow, since libraries that split K may round partial sums.
    Subnormal float16 results may be off by its smallest spacing.
    """
    steps = (problem.k + 1) * UNIT_ROUNDOFF["f32"]
    relative = steps / (1.0 - steps) + 2.0 * UNIT_ROUNDOFF[problem.output_type]
    return relative * reference.magnitude + 2.0**-24


def fp8_bound(problem: Problem, reference: FloatReference) -> NDArray[np.float64]:
    """The bound of a GEMM on FP8 tensor cores, which sum with about 14 bits: probabilistic, as its terms are random.

    Each of ceil(K / 32) instructions, and one more for a sum of parts where K is split, loses `FP8_SUM_ERROR` of the
    largest magnitude in it, which `SUM_SIGMAS` times `rss` bounds. Two scales and the bias round in fp32, and the
    result once more to the output type; subnormal float16 results by half of its smallest spacing.
    """
    assert reference.rss is not None
    partial = SUM_SIGMAS * reference.rss
    summing = (ceil(problem.k / FP8_STEP) + 1) * FP8_SUM_ERROR * partial
    epilogue = 3.0 * UNIT_ROUNDOFF["f32"] * (np.abs(reference.want) + partial)
    rounding = UNIT_ROUNDOFF[problem.output_type] * (np.abs(reference.want) + summing) + 2.0**-24
    return summing + epilogue + rounding


def compare_float(problem: Problem, got: Array, reference: FloatReference) -> Comparison:
    """Compare a float GEMM with its reference, each element within `error_bound`; NaN and infinity fail."""
    value = as_float32(problem.output_type, got).astype(np.float64)
    # Written so that a NaN, which compares false, counts as wrong.
    differs = ~(np.abs(value - reference.want) <= error_bound(problem, reference))
    return comparison(differs, lambda i, j: (shown(problem, got[i, j]), f"{reference.want[i, j]:.9g}"))


def compare_with_oracle(problem: Problem, got: Array, operands: Operands) -> Comparison:
    """Compare an output of `problem` with what its s8 `operands` give: exactly, or within `error_bound` for floats."""
    typed = typed_operands(problem, operands)
    if problem.is_integer:
        return compare_exact(problem, got, gemm_reference(problem, typed))
    return compare_float(problem, got, float_reference(problem, typed))
