"""Exact numpy oracles: quantization, the integer GEMM and its epilogue, bit for bit as docs/numerics.md specifies.

Operands and outputs are held as `data_types` says. What floats are compared with is in `float_oracle`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immabench.activations import activate
from immabench.convolution import patches
from immabench.data_types import Array, as_float32, bf16_to_f32, round_to, stored_integers
from immabench.errors import UsageError
from immabench.gpu_products import product_on_gpu
from immabench.problems import Problem

if TYPE_CHECKING:
    from immabench.operands import Operands


_BITS_TYPES = {1: np.uint8, 2: np.uint16, 4: np.uint32}


BLOCK_ROWS = 1024
BLOCK_K = 8192
"""Bounds of one float64 block: three of 64 MiB at most, and sums of at most 2^13 * 2^14 = 2^27, far below 2^53."""


def quantize(
    x: ArrayLike, scale: ArrayLike, zero_point: ArrayLike = 0, qmin: int = -128, qmax: int = 127
) -> NDArray[np.int8]:
    """`clamp(rint_half_even(x / scale) + zero_point, qmin, qmax)`: the ONNX QuantizeLinear convention.

    `x` is taken as float32; `scale` (float32) and `zero_point` (integer) broadcast against it. The division is IEEE
    fp32; NaN gives the zero point, infinities saturate. Raises UsageError for a scale that is not positive and finite
    and for a range outside int8.
    """
    if not -128 <= qmin <= qmax <= 127:
        raise UsageError(f"[{qmin}, {qmax}] is not a range of int8", "use -128..127, -127..127 or -8..7")
    divisor = np.asarray(scale, np.float32)
    check_scale("scale", divisor)
    zero = np.asarray(zero_point, np.int64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ratio = np.asarray(x, np.float32) / divisor
    # float64 holds every rounded fp32 plus an integer zero point exactly wherever the clamp does not decide.
    shifted = np.where(np.isnan(ratio), 0.0, np.rint(ratio).astype(np.float64)) + zero
    return np.clip(shifted, qmin, qmax).astype(np.int8)


def dequantize(q: ArrayLike, scale: ArrayLike, zero_point: ArrayLike = 0) -> NDArray[np.float32]:
    """`float32(q - zero_point) * scale`, the subtraction exact in integers and the product rounded once to fp32."""
    difference = np.asarray(q, np.int64) - np.asarray(zero_point, np.int64)
    return np.asarray(difference.astype(np.float32) * np.asarray(scale, np.float32), np.float32)


def check_scale(name: str, scale: Array) -> None:
    """Raise UsageError unless every element of `scale` is positive and finite."""
    if scale.size == 0:
        raise UsageError(f"{name} is empty", "give one positive number, or one a row or column")
    bad = ~(np.isfinite(scale) & (scale > 0))
    if bad.any():
        index = int(np.argmax(bad.reshape(-1)))
        raise UsageError(f"{name}[{index}] is {scale.reshape(-1)[index]}", "scales are positive and finite")


def largest_step(zero: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest integer step with which (q - zero) * step fits int8 for every q of 0 to 15."""
    below, above = zero.astype(np.int32), 15 - zero.astype(np.int32)
    fits = np.minimum(128 // np.maximum(below, 1), 127 // np.maximum(above, 1))
    return np.asarray(fits, np.uint8)


def integer_weights(problem: Problem, operands: Operands) -> NDArray[np.int8]:
    """The integers [N,K] that a kernel multiplies by: codes less zero points, times integer steps; int8 all of them.

    Of a batch [batch,N,K], which have neither.
    """
    codes = stored_integers(problem.b_type, operands.b)
    if operands.group_zero is not None:
        codes = codes - np.repeat(operands.group_zero.view(np.int8), problem.b_group, axis=1)
    if operands.group_step is not None:
        codes = codes * np.repeat(operands.group_step, problem.b_group, axis=1)
    return codes


def accumulate(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
    """`a[M,K] @ b[N,K]^T` exactly in int32, by float64 BLAS in blocks: every partial sum is an integer below 2^53."""
    return blocked_product(a, b, np.int32)


def blocked_product(a: Array, b: Array, dtype: type[np.generic]) -> Array:
    """`a[M,K] @ b[N,K]^T` by float64 BLAS in blocks along every axis, the blocks along K summed in `dtype`.

    Of batches [batch,M,K] and [batch,N,K] one product after the other, [batch,M,N]. Large ones in one go where a GPU is
    (`gpu_products`).
    """
    if a.ndim > 2:
        return np.stack([blocked_product(left, right, dtype) for left, right in zip(a, b, strict=True)])
    found = product_on_gpu(a, b, dtype)
    if found is not None:
        return found
    rows, columns, depth = a.shape[0], b.shape[0], a.shape[1]
    total = np.zeros((rows, columns), dtype)
    for k in range(0, depth, BLOCK_K):
        for j in range(0, columns, BLOCK_ROWS):
            right = b[j : j + BLOCK_ROWS, k : k + BLOCK_K].astype(np.float64).T
            for i in range(0, rows, BLOCK_ROWS):
                left = a[i : i + BLOCK_ROWS, k : k + BLOCK_K].astype(np.float64)
                total[i : i + BLOCK_ROWS, j : j + BLOCK_ROWS] += (left @ right).astype(dtype)
    return total


def gemm_reference(problem: Problem, operands: Operands) -> Array:
    """The exact result, [M, N] or [batch, M, N], of integer operands as `typed_operands` gives them.

    bf16 comes as uint16 bits.
    """
    total = weighted_sums(problem, operands)
    if operands.a_zero is not None:
        assert operands.b_sum is not None
        # Neither product nor difference overflows where K is at most `Problem.largest_k`.
        total = total - of_rows(operands.a_zero) * of_columns(operands.b_sum)
    return total if problem.output_type == "s32" else epilogue_reference(problem, total, operands)


def of_rows(vector: Array) -> Array:
    """A vector [M], [batch, M] or [1] so that it broadcasts against outputs [.., M, N]."""
    return vector[..., :, None]


def of_columns(vector: Array) -> Array:
    """A vector [N], [batch, N] or [1] so that it broadcasts against outputs [.., M, N]."""
    return vector[..., None, :]


def as_rows(problem: Problem, a: Array, zero: int = 0) -> Array:
    """A as it is multiplied, [.., M, K]: of a convolution the patches of the image, `zero` all around it."""
    return a if problem.convolution is None else patches(problem.convolution, a, zero)


def weighted_sums(problem: Problem, operands: Operands) -> Array:
    """Sums over K, [.., M, N]: int32; of weights with float group scales float32, group after group in ascending order.

    There `sum = sum + f32(exact int32 sum of the group) * scale`, product and sum each rounded once.
    """
    zero = int(operands.a_zero[0]) if problem.conv and operands.a_zero is not None else 0
    a = as_rows(problem, stored_integers(problem.a_type, operands.a), zero)
    b = integer_weights(problem, operands)
    if operands.group_scale is None:
        return accumulate(a, b)
    total = np.zeros((problem.m, problem.n), np.float32)
    for group in range(problem.k // problem.b_group):
        part = slice(group * problem.b_group, (group + 1) * problem.b_group)
        total += accumulate(a[:, part], b[:, part]).astype(np.float32) * operands.group_scale[:, group]
    return total


def epilogue_reference(problem: Problem, total: Array, operands: Operands) -> Array:
    """What `total`, int32 or float32 [.., M, N], becomes: scales, bias, residual, activation, each step rounded to
    fp32, then one rounding to the output type, or quantization to int8. An absent operand skips its step."""
    value = total.astype(np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if operands.row_scale is not None:
            value *= of_rows(operands.row_scale)
        if operands.col_scale is not None:
            value *= of_columns(operands.col_scale)
        if operands.bias is not None:
            value += of_columns(as_float32(problem.bias_type, operands.bias))
        if operands.residual is not None:
            value += residual_values(problem, operands)
        value = activate(problem.activation, value)
    if problem.output_type != "s8":
        return round_to(problem.output_type, value)
    assert operands.out_scale is not None
    zero = 0 if operands.out_zero is None else of_columns(operands.out_zero)
    return quantize(value, of_columns(operands.out_scale), zero)


def residual_values(problem: Problem, operands: Operands) -> NDArray[np.float32]:
    """The residual [.., M, N] as float32."""
    assert operands.residual is not None
    if problem.residual != "s8":
        return as_float32(problem.residual, operands.residual)
    assert operands.residual_scale is not None
    assert operands.residual_zero is not None
    return dequantize(operands.residual, operands.residual_scale, operands.residual_zero)


@dataclass(frozen=True)
class Comparison:
    """How far an output is from the oracle: `wrong` of `total` elements, the first of them at `first`."""

    total: int
    wrong: int
    first: tuple[int, ...] | None
    got: str
    want: str

    @property
    def exact(self) -> bool:
        """True when every element agrees in every bit."""
        return self.wrong == 0

    def describe(self) -> str:
        """One line for people; empty when exact."""
        if self.first is None:
            return ""
        at = ",".join(map(str, self.first))
        return f"{self.wrong} of {self.total} elements differ, first C[{at}] is {self.got}, expected {self.want}"


def compare_exact(problem: Problem, got: Array, want: Array) -> Comparison:
    """Compare two outputs of `problem` bit by bit; NaN patterns count as bits, so a poisoned element never passes."""
    if got.shape != want.shape or got.dtype != want.dtype:
        raise UsageError(
            f"{problem.key}: output is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}",
            "compare outputs of one problem",
        )
    differs = _bits(got) != _bits(want)
    return comparison(differs, lambda at: (shown(problem, got[at]), shown(problem, want[at])))


def comparison(differs: NDArray[np.bool_], show: Callable[[tuple[int, ...]], tuple[str, str]]) -> Comparison:
    """The comparison whose wrong elements are `differs`; `show(at)` describes what was got and wanted there."""
    wrong = int(np.count_nonzero(differs))
    if not wrong:
        return Comparison(differs.size, 0, None, "", "")
    first = tuple(int(index) for index in np.unravel_index(int(np.argmax(differs)), differs.shape))
    return Comparison(differs.size, wrong, first, *show(first))


def _bits(x: Array) -> Array:
    return np.asarray(x).view(_BITS_TYPES[x.dtype.itemsize])


def shown(problem: Problem, element: Any) -> str:
    """The value, and for a NaN its bits: a poisoned element is recognised by them."""
    value = float(bf16_to_f32(element)) if problem.output_type == "bf16" else element.item()
    return f"{value} (bits 0x{int(_bits(np.asarray(element))):x})" if value != value else f"{value}"
