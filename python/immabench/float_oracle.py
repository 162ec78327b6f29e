"""The oracle of problems with float operands: the exact product in float64, and how far from it a result may be.

docs/numerics.md derives the bounds. An integer problem has none: it is compared by bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, erf

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import Array, as_float32, round_to
from immabench.gpu_products import product_on_gpu
from immabench.numerics import (
    Comparison,
    as_rows,
    blocked_product,
    compare_exact,
    comparison,
    epilogue_reference,
    gemm_reference,
    integer_weights,
    of_columns,
    of_rows,
    residual_values,
    shown,
)
from immabench.operands import Operands, typed_operands
from immabench.problems import INTEGER_TYPES, Problem

UNIT_ROUNDOFF = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8, "s8": 2.0**-24}
"""Of a result's type; of s8, that of the division by its scale."""

LEAST_NORMAL = {"f32": 2.0**-126, "f16": 2.0**-14, "bf16": 2.0**-126}
"""Below it numbers of a type are subnormal. FP8 is left out: its sums are none of fp32."""

MMA_STEP, MMA_ROUNDINGS = 16, 18
"""Products that a matrix instruction of 16-bit floats sums along K, and what it may lose, in units of `MMA_UNIT` of the
sum of magnitudes: docs/numerics.md, "Floating-point matrix instructions"."""

MMA_UNIT = 2.0**-23
"""The unit roundoff of fp32 arithmetic that may round in any direction."""

EPILOGUE_ROUNDINGS = 3
"""In units of `MMA_UNIT`: five roundings to nearest at most, of two scales, a bias, a residual and its int8 scale."""

GELU_SLOPE, GELU_ROUNDINGS = 1.13, 7
"""The largest slope of GELU, 1.1289 at sqrt(2), and its own error in units of 2^-24 of its argument."""

FP8_STEP = 32
"""Products one FP8 tensor-core instruction of Hopper sums along K (`wgmma` m64nNk32)."""

FP8_SUM_ERROR = 2.0**-13
"""What such a sum loses, of the largest magnitude in it: about 14 bits are kept (DeepSeek-V3 technical report,
arXiv:2412.19437, section 3.5.2)."""

SUM_SIGMAS = 6.0
"""Partial sums of terms of random sign stay within so many root sums of squares: 2e-9 of them do not."""


@dataclass(frozen=True)
class FloatReference:
    """The float64 result `want` [.., M,N] of a float problem, and what the error of a computed one is measured by.

    `magnitude` is the sum of the absolute terms, `|A| |B|^T` with scales, plus `|bias|` and `|residual|`; `rss` the
    root of the sum of the squared products, with scales, for FP8 only. Of int8 outputs `want` is what is quantized by
    `out_scale` [1 or N] and `out_zero`. A batch is one product after the other in all of them.
    """

    want: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    rss: NDArray[np.float64] | None = None
    out_scale: NDArray[np.float32] | None = None
    out_zero: NDArray[np.int32] | None = None


def float_reference(problem: Problem, operands: Operands) -> FloatReference:
    """The exact product of operands as `typed_operands` makes them, then the epilogue in float64.

    Every operand there is a whole multiple, below 2^12, of a power of two of its type's own, so products and their sums
    in any order are whole multiples of one unit below 2^53 for any K up to 2^29, which float64 holds.
    """
    a, b = decoded_a(problem, operands), decoded_b(problem, operands)
    scale = _outer_scale(operands)
    want = blocked_product(a, b, np.float64) * scale
    magnitude = _bounding_product(np.abs(a), np.abs(b)) * scale
    rss = np.sqrt(_bounding_product(np.square(a), np.square(b))) * scale if problem.a_type == "e4m3" else None
    for added in _added(problem, operands):
        want, magnitude = want + added, magnitude + np.abs(added)
    return FloatReference(_activated(problem, want), magnitude, rss, operands.out_scale, operands.out_zero)


def _bounding_product(a: Array, b: Array) -> Array:
    """The product of which an error is measured: fp32 will do."""
    on_gpu = product_on_gpu(a, b, np.float64) if a.ndim == 2 else None
    return a @ _transposed(b) if on_gpu is None else on_gpu


def _added(problem: Problem, operands: Operands) -> list[NDArray[np.float64]]:
    """The bias [.., 1,N] and the residual [.., M,N], where there are any."""
    added = []
    if operands.bias is not None:
        added.append(of_columns(as_float32(problem.bias_type, operands.bias).astype(np.float64)))
    if operands.residual is not None:
        added.append(residual_values(problem, operands).astype(np.float64))
    return added


def _activated(problem: Problem, x: NDArray[np.float64]) -> NDArray[np.float64]:
    if problem.activation == "relu":
        return np.maximum(x, 0.0)
    if problem.activation == "gelu":
        return np.asarray(x * 0.5 * (1.0 + np.vectorize(erf, otypes=[np.float64])(x * np.sqrt(0.5))))
    return x


def determined_reference(problem: Problem, operands: Operands) -> Array:
    """The result, bit for bit, where `is_determined`: the exact sum, which fp32 holds then, and the epilogue as for
    integers."""
    total = blocked_product(decoded_a(problem, operands), decoded_b(problem, operands), np.float64)
    return epilogue_reference(problem, total.astype(np.float32), operands)


def is_determined(problem: Problem, operands: Operands) -> bool:
    """Whether no sum of products rounds, in whatever order fp32 arithmetic that PTX allows adds them up.

    All products of an element are multiples of the lowest bits of its row and its column, and less than 2^24 of those
    in all; nothing is subnormal (docs/numerics.md, "Floating-point matrix instructions").
    """
    a, b = decoded_a(problem, operands), decoded_b(problem, operands)
    least = LEAST_NORMAL.get(problem.a_type, np.inf)
    if any((np.abs(values[values != 0]) < least).any() for values in (a, b)):
        return False
    units = of_rows(_lowest_bit(a)) * of_columns(_lowest_bit(b))
    magnitude = np.abs(a).astype(np.float64) @ _transposed(np.abs(b).astype(np.float64))
    return bool((magnitude < 2.0**24 * units).all() and (units >= 2.0**-126).all() and (magnitude < 2.0**127).all())


def _lowest_bit(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each row the lowest bit set in any element, as a number; infinity where all are 0."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    integer = np.ldexp(mantissa, 24).astype(np.int64)
    lowest = np.ldexp((integer & -integer).astype(np.float64), exponent - 24)
    return np.asarray(np.min(lowest, axis=-1, where=values != 0, initial=np.inf))


def decoded_a(problem: Problem, operands: Operands) -> NDArray[np.float32]:
    """The activations [.., M,K] as float32, exact."""
    return as_rows(problem, as_float32(problem.a_type, operands.a))


def decoded_b(problem: Problem, operands: Operands) -> NDArray[np.float32]:
    """The weights [.., N,K] as float32: of integers (q - zero) * scale, rounded once to the activations' type.

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
    """row_scale[m] * col_scale[n], [.., M or 1, N or 1]; 1 where both are absent."""
    one = np.ones(1)
    row = one if operands.row_scale is None else operands.row_scale.astype(np.float64)
    col = one if operands.col_scale is None else operands.col_scale.astype(np.float64)
    return of_rows(row) * of_columns(col)


def _transposed(matrices: Array) -> Array:
    return matrices.swapaxes(-1, -2)


def error_bound(problem: Problem, reference: FloatReference) -> NDArray[np.float64]:
    """Largest error allowed to a computed result, elementwise: `fp8_bound` of FP8 operands, else `float_bound`."""
    return fp8_bound(problem, reference) if reference.rss is not None else float_bound(problem, reference)


def float_bound(problem: Problem, reference: FloatReference) -> NDArray[np.float64]:
    """The bound of a GEMM that sums in fp32.

    The sum, then what follows it, then two roundings to the output type, since libraries that split K may round partial
    sums. Subnormal float16 results may be off by its smallest spacing.
    """
    relative = _sum_error(problem)
    if problem.activation == "gelu":
        relative = GELU_SLOPE * relative + GELU_ROUNDINGS * 2.0**-24
    relative += 2.0 * UNIT_ROUNDOFF[problem.output_type]
    return relative * reference.magnitude + 2.0**-24


def _sum_error(problem: Problem) -> float:
    """What a sum with scales, bias and residual may be off by, in units of the sum of magnitudes.

    Integer weights beside 16-bit activations are multiplied by tensor cores, which may round in any direction. Else
    `gamma(K + 1)` bounds K + 1 fp32 additions in any order (Higham, Accuracy and Stability of Numerical Algorithms,
    2nd ed., section 3.1).
    """
    if problem.a_type in ("f16", "bf16") and problem.b_type in INTEGER_TYPES:
        return _gamma(MMA_ROUNDINGS * ceil(problem.k / MMA_STEP) + EPILOGUE_ROUNDINGS, MMA_UNIT)
    return _gamma(problem.k + 1, UNIT_ROUNDOFF["f32"])


def _gamma(roundings: int, unit: float) -> float:
    """n u / (1 - n u), n roundings of unit roundoff u."""
    return roundings * unit / (1.0 - roundings * unit)


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
    """Compare a float GEMM with its reference, each element within `error_bound`; NaN and infinity fail.

    An int8 is right if something within the bound is quantized to it.
    """
    bound = error_bound(problem, reference)
    if problem.output_type == "s8":
        low, high = (_quantized(reference, reference.want + error) for error in (-bound, bound))
        differs = ~((low <= got) & (got <= high))
        return comparison(differs, lambda at: (f"{got[at]}", f"{low[at]:g} to {high[at]:g}"))
    value = as_float32(problem.output_type, got).astype(np.float64)
    # Written so that a NaN, which compares false, counts as wrong.
    differs = ~(np.abs(value - reference.want) <= bound)
    return comparison(differs, lambda at: (shown(problem, got[at]), f"{reference.want[at]:.9g}"))


def _quantized(reference: FloatReference, x: NDArray[np.float64]) -> NDArray[np.float64]:
    assert reference.out_scale is not None
    zero = 0 if reference.out_zero is None else of_columns(reference.out_zero)
    return np.asarray(np.clip(np.rint(x / of_columns(reference.out_scale)) + zero, -128, 127))


class Oracle:
    """What outputs of `problem` with the s8 `operands` are compared with."""

    def __init__(self, problem: Problem, operands: Operands) -> None:
        self._problem, self._typed = problem, typed_operands(problem, operands)

    @cached_property
    def determined(self) -> bool:
        """Whether one result alone is right: always of integers, of floats where `is_determined`."""
        return self._problem.is_integer or is_determined(self._problem, self._typed)

    def compare(self, got: Array) -> Comparison:
        """Exactly, or within `error_bound` for floats."""
        if self._problem.is_integer:
            return compare_exact(self._problem, got, self._exact)
        return compare_float(self._problem, got, self._reference)

    def compare_determined(self, got: Array) -> Comparison:
        """Exactly, floats too: of kernels that round as docs/numerics.md says, where nothing else is right."""
        return compare_exact(self._problem, got, self._exact)

    @cached_property
    def _exact(self) -> Array:
        reference = gemm_reference if self._problem.is_integer else determined_reference
        return reference(self._problem, self._typed)

    @cached_property
    def _reference(self) -> FloatReference:
        return float_reference(self._problem, self._typed)


def compare_with_oracle(problem: Problem, got: Array, operands: Operands) -> Comparison:
    """Compare an output of `problem` with what its s8 `operands` give: exactly, or within `error_bound` for floats."""
    return Oracle(problem, operands).compare(got)
