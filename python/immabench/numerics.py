"""Exact numpy oracles: quantization, the integer GEMM and its epilogue, bit for bit as docs/numerics.md specifies.

bfloat16 is held as the uint16 bits of its values, since numpy has no such type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immabench.errors import UsageError
from immabench.problems import Problem

if TYPE_CHECKING:
    from immabench.operands import Operands

Array = NDArray[Any]

NUMPY_TYPES: dict[str, type[np.generic]] = {
    "s8": np.int8,
    "s32": np.int32,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": np.uint16,
}
"""The numpy type that holds each data type; bf16 as bits."""

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


def f32_to_bf16(x: ArrayLike) -> NDArray[np.uint16]:
    """Round float32 to the nearest bfloat16, ties to even, as uint16 bits. A NaN stays a NaN, made quiet."""
    value = np.asarray(x, np.float32)
    bits = value.view(np.uint32)
    # Adding just under half of the kept unit, plus its last bit, rounds to nearest even and carries into the exponent;
    # it cannot wrap for numbers (the largest is infinity) and a NaN is replaced below.
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x0040)
    return np.where(np.isnan(value), quiet, rounded).astype(np.uint16)


def bf16_to_f32(bits: ArrayLike) -> NDArray[np.float32]:
    """The float32 values of bfloat16 bits, exact."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def round_to(output_type: str, x: Array) -> Array:
    """float32 rounded once, to nearest even, to `output_type` ("f32", "f16" or "bf16"); overflow gives infinity."""
    if output_type == "bf16":
        return f32_to_bf16(x)
    with np.errstate(over="ignore"):
        return x.astype(NUMPY_TYPES[output_type])


def accumulate(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
    """`a[M,K] @ b[N,K]^T` exactly in int32, by float64 BLAS in blocks: every partial sum is an integer below 2^53."""
    rows, columns, depth = a.shape[0], b.shape[0], a.shape[1]
    total = np.zeros((rows, columns), np.int32)
    for k in range(0, depth, BLOCK_K):
        for j in range(0, columns, BLOCK_ROWS):
            right = b[j : j + BLOCK_ROWS, k : k + BLOCK_K].astype(np.float64).T
            for i in range(0, rows, BLOCK_ROWS):
                left = a[i : i + BLOCK_ROWS, k : k + BLOCK_K].astype(np.float64)
                total[i : i + BLOCK_ROWS, j : j + BLOCK_ROWS] += (left @ right).astype(np.int32)
    return total


def gemm_reference(problem: Problem, operands: Operands) -> Array:
    """The exact result, shape [M, N]: int32 accumulate, then `((f32(acc) * row) * col) + bias`, each step rounded.

    An absent scale or bias skips its step. bf16 comes as uint16 bits.
    """
    total = accumulate(operands.a, operands.b)
    if problem.output_type == "s32":
        return total
    value = total.astype(np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if operands.row_scale is not None:
            value *= operands.row_scale[:, None]
        if operands.col_scale is not None:
            value *= operands.col_scale[None, :]
        if operands.bias is not None:
            value += operands.bias[None, :]
    return round_to(problem.output_type, value)


def float_reference(
    a: NDArray[np.int8], b: NDArray[np.int8], bias: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`A @ B^T + bias` for A = a/128, B = b/128 in float64, and the magnitude `|A| @ |B|^T + |bias|` of its terms."""
    scale = 2.0**-14
    want = accumulate(a, b).astype(np.float64) * scale
    magnitude = (np.abs(a.astype(np.float32)) @ np.abs(b.astype(np.float32)).T).astype(np.float64) * scale
    if bias is None:
        return want, magnitude
    return want + bias[None, :], magnitude + np.abs(bias, dtype=np.float64)[None, :]


@dataclass(frozen=True)
class Comparison:
    """How far an output is from the oracle: `wrong` of `total` elements, the first of them at `first`."""

    total: int
    wrong: int
    first: tuple[int, int] | None
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
        i, j = self.first
        return f"{self.wrong} of {self.total} elements differ, first C[{i},{j}] is {self.got}, expected {self.want}"


def compare_exact(problem: Problem, got: Array, want: Array) -> Comparison:
    """Compare two outputs of `problem` bit by bit; NaN patterns count as bits, so a poisoned element never passes."""
    if got.shape != want.shape or got.dtype != want.dtype:
        raise UsageError(
            f"{problem.key}: output is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}",
            "compare outputs of one problem",
        )
    differs = _bits(got) != _bits(want)
    return _comparison(differs, lambda i, j: (_shown(problem, got[i, j]), _shown(problem, want[i, j])))


UNIT_ROUNDOFF = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}


def float_bound(problem: Problem, magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest error allowed to a float GEMM that sums in fp32, elementwise, from the magnitude of its terms.

    `gamma(K + 1)` bounds K + 1 fp32 additions in any order (Higham, Accuracy and Stability of Numerical Algorithms,
    2nd ed., section 3.1); two roundings to the output type follow, since libraries that split K may round partial sums.
    Subnormal float16 results may be off by its smallest spacing.
    """
    steps = (problem.k + 1) * UNIT_ROUNDOFF["f32"]
    relative = steps / (1.0 - steps) + 2.0 * UNIT_ROUNDOFF[problem.output_type]
    return relative * magnitude + 2.0**-24


def compare_float(
    problem: Problem, got: Array, want: NDArray[np.float64], magnitude: NDArray[np.float64]
) -> Comparison:
    """Compare a float GEMM with its float64 reference, each element within `float_bound`; NaN and infinity fail."""
    value = as_float32(problem.output_type, got).astype(np.float64)
    # Written so that a NaN, which compares false, counts as wrong.
    differs = ~(np.abs(value - want) <= float_bound(problem, magnitude))
    return _comparison(differs, lambda i, j: (_shown(problem, got[i, j]), f"{want[i, j]:.9g}"))


def compare_with_oracle(problem: Problem, got: Array, operands: Operands) -> Comparison:
    """Compare an output of `problem` with what its s8 `operands` give: exactly, or within `float_bound` for floats."""
    if problem.a_type == "s8":
        return compare_exact(problem, got, gemm_reference(problem, operands))
    bias = operands.bias if problem.bias else None
    rounded = None if bias is None else as_float32(problem.a_type, round_to(problem.a_type, bias))
    return compare_float(problem, got, *float_reference(operands.a, operands.b, rounded))


def as_float32(data_type: str, values: Array) -> NDArray[np.float32]:
    """Float values of `data_type` as float32, exactly; "bf16" are uint16 bits."""
    return bf16_to_f32(values) if data_type == "bf16" else values.astype(np.float32)


def _comparison(differs: NDArray[np.bool_], show: Callable[[int, int], tuple[str, str]]) -> Comparison:
    wrong = int(np.count_nonzero(differs))
    if not wrong:
        return Comparison(differs.size, 0, None, "", "")
    i, j = (int(index) for index in np.unravel_index(int(np.argmax(differs)), differs.shape))
    return Comparison(differs.size, wrong, (i, j), *show(i, j))


def _bits(x: Array) -> Array:
    return np.asarray(x).view(_BITS_TYPES[x.dtype.itemsize])


def _shown(problem: Problem, element: Any) -> str:
    """The value, and for a NaN its bits: a poisoned element is recognised by them."""
    value = float(bf16_to_f32(element)) if problem.output_type == "bf16" else element.item()
    return f"{value} (bits 0x{int(_bits(np.asarray(element))):x})" if value != value else f"{value}"
