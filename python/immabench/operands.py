"""Operands of a problem: full-range random inputs every process can remake, and an output poisoned before launch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import NUMPY_TYPES, Array, pack_codes, round_to
from immabench.epilogue_vectors import VECTORS
from immabench.errors import UsageError
from immabench.hardware import cpu_info
from immabench.numerics import integer_weights, largest_step, quantize
from immabench.operand_checks import check_operands
from immabench.problems import Problem

POISON_BITS = {"s32": 0x5A5A5A5A, "s8": 0x5A, "f32": 0x7FDA5A5A, "f16": 0x7E5A, "bf16": 0x7FDA}
"""What an element holds until a kernel writes it: quiet NaNs with a payload, a pattern no one sums up to for s32. An s8
has no such value: that all of it was written shows in that every element is right."""

ACTIVATIONS = ("a", "row_scale", "a_zero", "residual")
"""Operands that change from launch to launch; the others are weights, or belong to them."""

RESIDUAL_STEP = np.float32(1 / 32)
"""Scale of an int8 residual, so that standard normal values use most of its range."""

ALIGNMENT = 256
"""Bytes that cudaMalloc aligns to. Emulated sectors are counted from real addresses, so operands here do the same."""


@dataclass(frozen=True)
class Operands:
    """Inputs of one problem as numpy arrays: a int8 [M,K], b int8 [N,K], the rest by name, None where absent.

    Of a batch everything but what is [1] has its dimension in front (`Problem.of_batch`). Of a convolution a is the
    image [images,height,width,channels].

    float32: `row_scale` [1] or [M], `col_scale` and `out_scale` [1] or [N], `bias` [N], `residual` [M,N],
    `residual_scale` [1]. int32: `a_zero` [1] or [M], `out_zero` [1] or [N], `residual_zero` [1].

    `typed_operands` gives other types; there `b_sum` is int32 [N], the sum of each column's weights where A has a zero
    point, `s4` and `u4` are uint8 [rows, K / 2], `b1` uint8 [rows, K / 8], the residual has its own type, and groups of
    weights have `group_scale`, `group_step` int8, `group_zero` uint8, each [N, K / b_group].
    """

    a: NDArray[Any]
    b: NDArray[Any]
    row_scale: NDArray[np.float32] | None = None
    col_scale: NDArray[np.float32] | None = None
    bias: NDArray[Any] | None = None
    a_zero: NDArray[np.int32] | None = None
    b_sum: NDArray[np.int32] | None = None
    residual: NDArray[Any] | None = None
    residual_scale: NDArray[np.float32] | None = None
    residual_zero: NDArray[np.int32] | None = None
    out_scale: NDArray[np.float32] | None = None
    out_zero: NDArray[np.int32] | None = None
    group_scale: NDArray[Any] | None = None
    group_step: NDArray[np.int8] | None = None
    group_zero: NDArray[np.uint8] | None = None

    def with_weights_of(self, other: Operands) -> Operands:
        """These activations (`ACTIVATIONS`) with everything else of `other`."""
        return replace(other, **{name: getattr(self, name) for name in ACTIVATIONS})


OPERAND_NAMES = tuple(field.name for field in fields(Operands))


def operand_type(problem: Problem, name: str) -> str:
    """The data type of one of `problem`'s operands in `typed_operands`."""
    types = {
        "a": problem.a_type,
        "b": problem.b_type,
        "bias": problem.bias_type,
        "residual": problem.residual,
        "group_scale": problem.group_scale_type,
        "group_step": "s8",
        "group_zero": "u8",
    }
    return types[name] if name in types else VECTORS[name].data_type


def generator_for(problem: Problem, seed: int) -> np.random.Generator:
    """The random generator of (seed, problem): the same in every process, independent between problems."""
    digest = hashlib.sha256(problem.key.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def make_operands(problem: Problem, seed: int = 0) -> Operands:
    """Random operands of a problem stated in s8: matrices over [-128, 127] with both ends present, a full epilogue.

    Scales over two decades and a bias are small enough that float16 outputs rarely overflow, and that a wrong
    accumulator shows in them; scales of int8 outputs let most of them fall into the range and some saturate. Raises
    UsageError for a problem this machine has not the memory to compute and check.
    """
    _check_memory(problem)
    generator = generator_for(problem, seed)
    a = _full_range(generator, problem.a_shape)
    b = _full_range(generator, problem.of_batch(problem.n, problem.k))
    row_scale, col_scale = (_scale(generator, VECTORS[name].shape(problem)) for name in ("row_scale", "col_scale"))
    of_bias = VECTORS["bias"].shape(problem)
    bias = None if of_bias is None else aligned(generator.normal(0.0, 1.0, of_bias).astype(np.float32))
    return Operands(a, b, row_scale, col_scale, bias, **_further_operands(problem, generator))


def _further_operands(problem: Problem, generator: np.random.Generator) -> dict[str, Array]:
    """What the epilogue of `problem` needs beside scales and a bias."""
    made: dict[str, Array] = {}
    if problem.a_zero != "none":
        made["a_zero"] = _zero_points(generator, problem, "a_zero")
    if problem.residual != "none":
        made["residual"] = generator.normal(0.0, 1.0, problem.of_batch(problem.m, problem.n)).astype(np.float32)
    if problem.residual == "s8":
        made["residual_scale"] = np.array([RESIDUAL_STEP])
        made["residual_zero"] = _zero_points(generator, problem, "residual_zero")
    if problem.out_scale != "none":
        of_each = VECTORS["out_scale"].whole(problem)
        spread = _output_spread(problem) / 40 * np.power(10.0, generator.uniform(-0.5, 0.5, of_each))
        made["out_scale"] = (spread if problem.out_scale == "vector" else spread.reshape(-1)[:1]).astype(np.float32)
    if problem.out_zero:
        made["out_zero"] = _zero_points(generator, problem, "out_zero")
    return {name: aligned(value) for name, value in made.items()}


def _zero_points(generator: np.random.Generator, problem: Problem, name: str) -> NDArray[np.int32]:
    return generator.integers(-128, 128, VECTORS[name].shape(problem), np.int32)


def _output_spread(problem: Problem) -> float:
    """About the standard deviation of what is quantized to int8: of sums of random codes times middling scales."""
    codes = {"b1": 0.5, "s4": 4.6, "u4": 4.6, "s8": 73.9}
    a, b = (codes.get(operand_type(problem, name), 73.9 / 128) for name in ("a", "b"))
    groups = 2.0**-5.5 if problem.b_scale == "float" and not problem.is_integer else 1.0
    scales = (problem.row_scale, problem.col_scale)
    outer = float(np.prod([1.0 if kind == "none" else 10**-2.0 for kind in scales]))
    return float(np.sqrt(problem.k)) * a * b * groups * outer


def typed_operands(problem: Problem, operands: Operands) -> Operands:
    """The s8 `operands` in fresh memory, in the types of `problem`; what it has none of is left out.

    Integers of fewer bits are the high bits of the int8 values, and what their groups have is drawn from the low bits:
    random as these are, and the same wherever the codes are made. Floats are the int8 values / 128, which f32, f16 and
    bf16 hold exactly and e4m3 rounds. The bias is rounded to `Problem.bias_type`. Raises OperandError unless `operands`
    fit an s8 problem.
    """
    check_operands(problem, operands)
    typed = {
        "a": _typed(problem, "a", operands.a),
        "b": _typed(problem, "b", operands.b),
        **{name: getattr(operands, name) for name, vector in VECTORS.items() if vector.kind(problem) != "none"},
        **_group_operands(problem, operands.b),
    }
    if problem.bias and operands.bias is not None:
        typed["bias"] = round_to(problem.bias_type, operands.bias)
    if problem.residual != "none":
        typed["residual"] = _typed_residual(problem, operands)
    made = Operands(**{name: aligned(value) for name, value in typed.items() if value is not None})
    if problem.a_zero != "none":
        made = replace(made, b_sum=aligned(integer_weights(problem, made).sum(axis=-1, dtype=np.int32)))
    return made


def _typed(problem: Problem, name: str, codes: NDArray[np.int8]) -> Array:
    data_type = operand_type(problem, name)
    if data_type == "b1":
        return pack_codes(codes >> np.int8(7), 1)
    if data_type in ("s4", "u4"):
        high = codes >> np.int8(4)
        return pack_codes(high if data_type == "s4" else high + np.int8(8), 4)
    if data_type == "s8":
        # Beside floats int8 weights have scales of their own, of columns; beside int8 they are the codes as well.
        return codes
    return round_to(data_type, codes / np.float32(128))


def _typed_residual(problem: Problem, operands: Operands) -> Array:
    assert operands.residual is not None
    if problem.residual == "s8":
        assert operands.residual_scale is not None
        assert operands.residual_zero is not None
        return quantize(operands.residual, operands.residual_scale, operands.residual_zero)
    return round_to(problem.residual, operands.residual)


def _group_operands(problem: Problem, codes: NDArray[np.int8]) -> dict[str, Array]:
    """What the groups of weights have, [N, K / b_group], drawn from the low nibbles of their first two codes.

    Zero points take every value of 0 to 15, and steps every one with which (q - zero) * step fits int8. Scales beside
    16-bit floats are powers of two from 2^-7 to 2^-4, so that those dequantize exactly; beside s8 they are any fp32.
    """
    if not problem.b_group:
        return {}
    first, second = (codes[:, i :: problem.b_group].view(np.uint8) & np.uint8(15) for i in (0, 1 % problem.b_group))
    made: dict[str, Array] = {}
    zero = first if problem.b_type == "u4" else np.full_like(first, 8)
    if problem.b_type == "u4":
        made["group_zero"] = zero
    if problem.b_scale == "step":
        made["group_step"] = (1 + second % largest_step(zero)).astype(np.int8)
    if problem.b_scale == "float":
        exponents = (first & np.uint8(3)).astype(np.int32) - 7
        scale = np.ldexp(np.float32(1), exponents)
        if problem.group_scale_type == "f32":
            scale = scale * (np.float32(1) + second / np.float32(15))
        made["group_scale"] = round_to(problem.group_scale_type, scale)
    return made


def is_full_range(codes: NDArray[np.int8]) -> bool:
    """Whether int8 values look like data: both ends of the range, and no value in more than half of the places.

    Zeros and small values draw less power and run faster on real chips, so times taken on them are not times of data.
    """
    if codes.size < 2:
        return True
    both_ends = codes.min() == -128 and codes.max() == 127
    return bool(both_ends) and int(np.bincount(codes.reshape(-1).view(np.uint8)).max()) <= codes.size // 2 + 1


def poisoned_output(problem: Problem) -> Array:
    """A fresh output [.., M, N] full of the poison of its type, C-contiguous and aligned as a GPU's allocator would."""
    bits = {4: np.uint32, 2: np.uint16, 1: np.uint8}[np.dtype(NUMPY_TYPES[problem.output_type]).itemsize]
    filled = np.full(problem.of_batch(problem.m, problem.n), POISON_BITS[problem.output_type], bits)
    return aligned(filled).view(NUMPY_TYPES[problem.output_type])


def _check_memory(problem: Problem) -> None:
    """Refuse before the system's own answer, which may be to kill the process."""
    m, n, k = problem.m, problem.n, problem.k
    # Operands and the copies that align them; outputs likewise, and the oracle's sums, epilogue and result.
    needed = problem.batch * (2 * (m + n) * k + 5 * 4 * m * n)
    memory = cpu_info().memory_bytes
    if memory and needed > memory:
        what = f"{problem.batch} times {problem.shape}" if problem.batch > 1 else problem.shape
        raise UsageError(
            f"{what} takes {needed / 2**30:.0f} GiB to compute and check, and this machine has "
            f"{memory / 2**30:.0f} GiB",
            "choose a smaller shape",
        )


def _full_range(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    values = generator.integers(-128, 128, shape, np.int8)
    where = generator.choice(values.size, size=min(2, values.size), replace=False)
    values.reshape(-1)[where] = np.array([-128, 127], np.int8)[: len(where)]
    return aligned(values)


def aligned(values: Array) -> Array:
    """A copy that starts on `ALIGNMENT` bytes; numpy's own memory often starts in the middle of a sector."""
    memory = np.empty(values.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def _scale(generator: np.random.Generator, shape: tuple[int, ...] | None) -> NDArray[np.float32] | None:
    if shape is None:
        return None
    exponents = generator.uniform(-3.0, -1.0, shape)
    return aligned(np.power(10.0, exponents).astype(np.float32))
