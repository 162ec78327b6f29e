"""Products with packed weights of fewer bits than the activations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from immabench.errors import OperandError
from immabench.ops.epilogue import EpilogueOptions
from immabench.ops.registering import register
from immabench.ops.weights import WEIGHTS_SCHEMA, PackedOperands, PackedWeights, packed_matrices, with_row_sums
from immabench.problems import Problem

if TYPE_CHECKING:
    from typing_extensions import Unpack


def gemm_w4a8(a: Tensor, weights: PackedWeights, **epilogue: Unpack[EpilogueOptions]) -> Tensor:
    """`epilogue(a @ weights^T)` of int8 a [M,K] and weights of 4 bits, out [M,N].

    `EpilogueOptions` says what follows the sums; the sums of the weights' rows that a zero point of A needs are there.
    Raises OperandError and UsageError in one line.
    """
    return _multiply("gemm_w4a8", a, weights, epilogue)


def gemm_w4a16(a: Tensor, weights: PackedWeights, **epilogue: Unpack[EpilogueOptions]) -> Tensor:
    """The same of f16 or bf16 a [M,K]; sums are fp32, and `output_type` has to be one of floats or s8."""
    return _multiply("gemm_w4a16", a, weights, epilogue)


def gemm_w8a16(a: Tensor, weights: PackedWeights, **epilogue: Unpack[EpilogueOptions]) -> Tensor:
    """As `gemm_w4a16`, of int8 weights."""
    return _multiply("gemm_w8a16", a, weights, epilogue)


def _multiply(family: str, a: Tensor, weights: PackedWeights, epilogue: EpilogueOptions) -> Tensor:
    return _CALLS[family](a, *weights.as_operands(), **with_row_sums(weights, epilogue))


def _state(family: str, a: Tensor, *operands: Any) -> Problem:
    weights, epilogue = PackedOperands(*operands[:-1]), operands[-1]
    if a.ndim != 2:
        raise OperandError(f"a has shape {list(a.shape)}", "pass a matrix: packed weights have no batches")
    if a.shape[1] != weights.k:
        raise OperandError(f"a {list(a.shape)} and weights of K={weights.k} have no K in common", "pass a [M,K]")
    weights.expect_activations("a", a)
    problem = Problem(a.shape[0], weights.n, weights.k, **weights.types(), **epilogue.options())
    if problem.family != family:
        raise OperandError(f"{family} is given {a.dtype} and weights of {weights.b_type}", f"call {problem.family}")
    return problem


def _out_shape(a: Tensor, *weights: Any) -> list[int]:
    return [a.shape[0], PackedOperands(*weights).n]


_CALLS = {
    family: register(family, f"Tensor a, {WEIGHTS_SCHEMA}", partial(_state, family), _out_shape, packed_matrices)
    for family in ("gemm_w4a8", "gemm_w4a16", "gemm_w8a16")
}
