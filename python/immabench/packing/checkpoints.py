"""Weights from checkpoints of AutoAWQ and AutoGPTQ: 4 bits, eight to an int32, K first, asymmetric.

Both store scales [K / group, N] in fp16, which float32 holds exactly, and zero points of the same shape, eight along N
to an int32. Layouts: AutoAWQ, `awq/modules/linear/gemm.py` (version "gemm"); AutoGPTQ,
`auto_gptq/nn_modules/qlinear/qlinear_cuda.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import Array
from immabench.errors import NothingSelectedError, OperandError
from immabench.packing.formats import WEIGHT_FORMATS
from immabench.packing.schemes import WeightScheme
from immabench.packing.weights import QuantizedWeights

NIBBLES = 8
"""4-bit codes of an int32."""

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight columns each nibble of AutoAWQ's int32 holds, from the lowest nibble up."""

IN_ORDER = tuple(range(NIBBLES))

GPTQ_FORMATS = ("gptq", "gptq_v2")
"""Values of `checkpoint_format` in a GPTQ checkpoint: `gptq` stores zero points minus one, `gptq_v2` as they are."""


def from_awq(qweight: Array, qzeros: Array, scales: Array) -> QuantizedWeights:
    """Weights of AutoAWQ: `qweight` int32 [K, N / 8], `qzeros` int32 [K / group, N / 8], `scales` [K / group, N].

    Eight columns share an int32, interleaved (`AWQ_ORDER`). A single group is scheme `u4_channel_asym`. Raises
    OperandError for arrays that do not fit each other, UsageError for groups that no scheme has.
    """
    _check_words("qweight", qweight)
    k, n = qweight.shape[0], qweight.shape[1] * NIBBLES
    zeros = _zeros(qzeros, scales, n, AWQ_ORDER)
    return _weights(_columns(qweight, AWQ_ORDER).T, zeros, scales, k)


def from_gptq(
    qweight: Array, qzeros: Array, scales: Array, g_idx: Array | None = None, checkpoint_format: str = "gptq"
) -> QuantizedWeights:
    """Weights of AutoGPTQ: `qweight` int32 [K / 8, N], `qzeros` int32 [K / group, N / 8], `scales` [K / group, N].

    Eight elements of K share an int32, in order. `g_idx` [K], the group of each element of K, must be k / group. Raises
    OperandError for arrays that do not fit each other, for another `g_idx` and for zero points stored as 15 in the
    format `gptq`; UsageError for groups that no scheme has, NothingSelectedError for another `checkpoint_format`.
    """
    if checkpoint_format not in GPTQ_FORMATS:
        raise NothingSelectedError.nearest("checkpoint format", checkpoint_format, GPTQ_FORMATS)
    _check_words("qweight", qweight)
    k, n = qweight.shape[0] * NIBBLES, qweight.shape[1]
    zeros = _zeros(qzeros, scales, n, IN_ORDER)
    if checkpoint_format == "gptq":
        zeros = _plus_one(zeros)
    weights = _weights(_columns(qweight.T, IN_ORDER), zeros, scales, k)
    if g_idx is not None:
        _check_group_index(np.asarray(g_idx), k, scales.shape[0])
    return weights


def _columns(words: Array, order: tuple[int, ...]) -> NDArray[np.int8]:
    """The codes [R, 8 * C] of int32 [R, C], whose nibble `i` is column `order[i]` of its eight."""
    shifts = np.arange(0, 4 * NIBBLES, 4, dtype=np.uint32)
    nibbles = (np.ascontiguousarray(words).view(np.uint32)[..., None] >> shifts) & np.uint32(0xF)
    columns = np.empty(nibbles.shape, np.int8)
    columns[..., list(order)] = nibbles
    return columns.reshape(len(words), -1)


def _zeros(qzeros: Array, scales: Array, n: int, order: tuple[int, ...]) -> NDArray[np.int8]:
    """The stored zero points [K / group, N]."""
    _check_words("qzeros", qzeros)
    if scales.ndim != 2 or scales.shape[1] != n or scales.dtype not in (np.float16, np.float32):
        raise OperandError(f"scales are {scales.dtype}{list(scales.shape)}", f"give float16 or float32 [groups, {n}]")
    expected = (scales.shape[0], n // NIBBLES)
    if n % NIBBLES or qzeros.shape != expected:
        raise OperandError(
            f"qzeros are int32{list(qzeros.shape)}, expected {list(expected)}",
            "give qweight, qzeros, scales of one layer",
        )
    return _columns(qzeros, order)


def _plus_one(stored: NDArray[np.int8]) -> NDArray[np.int8]:
    if (stored == 15).any():
        group, column = (int(i) for i in np.argwhere(stored == 15)[0])
        # AutoGPTQ's own decoders disagree: (15 + 1) & 15 in autogptq_cuda_kernel_256.cu, 15 + 1 in
        # triton_utils/dequant.py. Its packer stores a zero point of 0 as -1, which spoils the nibbles above it, too.
        raise OperandError(
            f"qzeros holds 15 for group {group}, column {column}: decoders read it as 0 or as 16",
            "save the checkpoint as gptq_v2",
        )
    return stored + np.int8(1)


def _weights(codes: NDArray[np.int8], zeros: NDArray[np.int8], scales: Array, k: int) -> QuantizedWeights:
    """From codes [N, K] and stored zero points and scales [K / group, N]."""
    groups = scales.shape[0]
    if not groups or k % groups:
        raise OperandError(f"{groups} rows of scales do not divide K={k}", "give a row of scales a group")
    u4 = WEIGHT_FORMATS["u4"]
    scale, zero = np.ascontiguousarray(scales.T, np.float32), np.ascontiguousarray(zeros.T)
    if groups == 1:
        scheme, scale, zero = WeightScheme(u4, "channel", symmetric=False), scale[:, 0], zero[:, 0]
    else:
        scheme = WeightScheme(u4, "group", k // groups, symmetric=False)
    return QuantizedWeights(scheme, (codes.shape[0], k), u4.pack(codes), scale, zero)


def _check_group_index(g_idx: Array, k: int, groups: int) -> None:
    expected = np.arange(k) // (k // groups)
    if g_idx.shape != expected.shape or (g_idx != expected).any():
        raise OperandError(
            "g_idx is not k / group: groups of consecutive elements of K are needed",
            "quantize without activation order (desc_act=False)",
        )


def _check_words(name: str, words: Array) -> None:
    if words.dtype != np.int32 or words.ndim != 2 or not words.size:
        raise OperandError(f"{name} is {words.dtype}{list(words.shape)}", "give an int32 matrix as stored on disk")
