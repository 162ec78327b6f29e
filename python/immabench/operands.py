"""Operands of a problem: full-range random inputs every process can remake, and an output poisoned before launch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.errors import OperandError, UsageError
from immabench.hardware import cpu_info
from immabench.numerics import NUMPY_TYPES, Array, check_scale, pack_s4, round_to
from immabench.problems import Problem

POISON_BITS = {"s32": 0x5A5A5A5A, "f32": 0x7FDA5A5A, "f16": 0x7E5A, "bf16": 0x7FDA}
"""What an element holds until a kernel writes it: quiet NaNs with a payload, a pattern no one sums up to for s32."""

ALIGNMENT = 256
"""Bytes that cudaMalloc aligns to. Emulated sectors are counted from real addresses, so operands here do the same."""


@dataclass(frozen=True)
class Operands:
    """Inputs of one problem as numpy arrays: a int8 [M,K], b int8 [N,K], scales and bias float32 or None.

    `row_scale` is [1] or [M], `col_scale` [1] or [N], `bias` [N]. `typed_operands` gives other types; there an s4 `b`
    is uint8 [N, K / 2] and `group_scale` [N, K / b_group].
    """

    a: NDArray[Any]
    b: NDArray[Any]
    row_scale: NDArray[np.float32] | None = None
    col_scale: NDArray[np.float32] | None = None
    bias: NDArray[Any] | None = None
    group_scale: NDArray[Any] | None = None

    def with_weights_of(self, other: Operands) -> Operands:
        """These activations (`a`, `row_scale`) with the weights (`b`, `col_scale`, `bias`) of `other`."""
        return replace(self, b=other.b, col_scale=other.col_scale, bias=other.bias)


def generator_for(problem: Problem, seed: int) -> np.random.Generator:
    """The random generator of (seed, problem): the same in every process, independent between problems."""
    digest = hashlib.sha256(problem.key.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def make_operands(problem: Problem, seed: int = 0) -> Operands:
    """Random operands of an s8 problem: int8 over [-128, 127] with both ends present, scales over two decades, a bias.

    Scales and bias are small enough that float16 outputs rarely overflow, and that a wrong accumulator shows in them.
    Raises UsageError for a problem this machine has not the memory to compute and check.
    """
    _check_memory(problem)
    generator = generator_for(problem, seed)
    return Operands(
        a=_full_range(generator, problem.m, problem.k),
        b=_full_range(generator, problem.n, problem.k),
        row_scale=_scale(generator, problem.row_scale, problem.m),
        col_scale=_scale(generator, problem.col_scale, problem.n),
        bias=_aligned(generator.normal(0.0, 1.0, problem.n).astype(np.float32)) if problem.bias else None,
    )


def typed_operands(problem: Problem, operands: Operands) -> Operands:
    """The s8 `operands` in fresh memory, in the types of `problem`; scales it has none of are left out.

    Floats are the int8 values / 128, which f32, f16 and bf16 hold exactly and e4m3 rounds; s4 are their high nibbles.
    The bias is rounded to `Problem.bias_type`. Raises OperandError unless `operands` fit an s8 problem.
    """
    if problem.a_type == "s8":
        check_operands(problem, operands)
        values = {field.name: getattr(operands, field.name) for field in fields(operands)}
        return replace(operands, **{name: _aligned(value) for name, value in values.items() if value is not None})
    bias = operands.bias if problem.bias else None
    return Operands(
        a=_typed(problem.a_type, operands.a),
        b=_typed(problem.b_type, operands.b),
        row_scale=_copied(operands.row_scale) if problem.row_scale != "none" else None,
        col_scale=_copied(operands.col_scale) if problem.col_scale != "none" else None,
        bias=None if bias is None else _aligned(round_to(problem.bias_type, bias)),
        group_scale=_group_scale(problem, operands.b) if problem.b_group else None,
    )


def _typed(data_type: str, codes: NDArray[np.int8]) -> Array:
    if data_type == "s4":
        return _aligned(pack_s4(codes >> np.int8(4)))
    return _aligned(round_to(data_type, codes / np.float32(128)))


def _group_scale(problem: Problem, codes: NDArray[np.int8]) -> Array:
    """One scale a row of weights and group of K, in the type of the activations: 2^-7 to 2^-4.

    Powers of two, so that any float type dequantizes exactly. They are drawn by two bits of the group's first code that
    the s4 values leave unused: random as these are, and the same wherever the codes are made.
    """
    exponents = (codes[:, :: problem.b_group] & np.int8(3)).astype(np.int32) - 7
    return _aligned(round_to(problem.a_type, np.ldexp(np.float32(1), exponents)))


def is_full_range(codes: NDArray[np.int8]) -> bool:
    """Whether int8 values look like data: both ends of the range, and no value in more than half of the places.

    Zeros and small values draw less power and run faster on real chips, so times taken on them are not times of data.
    """
    if codes.size < 2:
        return True
    both_ends = codes.min() == -128 and codes.max() == 127
    return bool(both_ends) and int(np.bincount(codes.reshape(-1).view(np.uint8)).max()) <= codes.size // 2 + 1


def poisoned_output(problem: Problem) -> Array:
    """A fresh output [M, N] full of the poison of its type, C-contiguous and aligned as a GPU's allocator would."""
    bits = {4: np.uint32, 2: np.uint16}[np.dtype(NUMPY_TYPES[problem.output_type]).itemsize]
    filled = np.full((problem.m, problem.n), POISON_BITS[problem.output_type], bits)
    return _aligned(filled).view(NUMPY_TYPES[problem.output_type])


def check_operands(problem: Problem, operands: Operands) -> None:
    """Raise OperandError, naming the operand and the remedy, unless `operands` fit `problem`."""
    _check_array("a", operands.a, np.int8, (problem.m, problem.k))
    _check_array("b", operands.b, np.int8, (problem.n, problem.k))
    _check_epilogue("row_scale", operands.row_scale, _length(problem.row_scale, problem.m))
    _check_epilogue("col_scale", operands.col_scale, _length(problem.col_scale, problem.n))
    _check_epilogue("bias", operands.bias, problem.n if problem.bias else None)
    for name, scale in (("row_scale", operands.row_scale), ("col_scale", operands.col_scale)):
        if scale is not None:
            check_scale(name, scale)
    if operands.bias is not None and not np.isfinite(operands.bias).all():
        raise OperandError("bias is not finite", "remove NaN and infinity from bias")


def _check_memory(problem: Problem) -> None:
    """Refuse before the system's own answer, which may be to kill the process."""
    m, n, k = problem.m, problem.n, problem.k
    # Operands and the copies that align them; outputs likewise, and the oracle's sums, epilogue and result.
    needed = 2 * (m + n) * k + 5 * 4 * m * n
    memory = cpu_info().memory_bytes
    if memory and needed > memory:
        raise UsageError(
            f"{problem.shape} takes {needed / 2**30:.0f} GiB to compute and check, and this machine has "
            f"{memory / 2**30:.0f} GiB",
            "choose a smaller shape",
        )


def _full_range(generator: np.random.Generator, rows: int, depth: int) -> NDArray[np.int8]:
    values = generator.integers(-128, 128, (rows, depth), np.int8)
    where = generator.choice(values.size, size=min(2, values.size), replace=False)
    values.reshape(-1)[where] = np.array([-128, 127], np.int8)[: len(where)]
    return _aligned(values)


def _aligned(values: Array) -> Array:
    """A copy that starts on `ALIGNMENT`; numpy's own memory often starts in the middle of a sector."""
    memory = np.empty(values.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def _copied(values: Array | None) -> Array | None:
    return None if values is None else _aligned(values)


def _scale(generator: np.random.Generator, kind: str, length: int) -> NDArray[np.float32] | None:
    if kind == "none":
        return None
    exponents = generator.uniform(-3.0, -1.0, length if kind == "vector" else 1)
    return _aligned(np.power(10.0, exponents).astype(np.float32))


def _length(kind: str, vector: int) -> int | None:
    return {"none": None, "tensor": 1, "vector": vector}[kind]


def _check_epilogue(name: str, value: Array | None, length: int | None) -> None:
    if length is None and value is not None:
        raise OperandError(f"{name} is given but the problem has none", f"leave {name} out, or state it in the problem")
    if length is not None and value is None:
        raise OperandError(f"{name} is missing", f"give float32[{length}]")
    if value is not None and length is not None:
        _check_array(name, value, np.float32, (length,))


def _check_array(name: str, value: Array, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    wanted = np.dtype(dtype)
    if not isinstance(value, np.ndarray):
        raise OperandError(
            f"{name} is a {type(value).__name__}, not a numpy array on the CPU", f"pass {name}.cpu().numpy()"
        )
    if value.dtype != wanted:
        raise OperandError(f"{name} is {value.dtype}, expected {wanted}", f"convert with {name}.astype('{wanted}')")
    if value.shape != shape:
        raise OperandError(f"{name} has shape {list(value.shape)}, expected {list(shape)}", "A is [M,K] and B is [N,K]")
    if not value.flags.c_contiguous:
        raise OperandError(f"{name} is not C-contiguous", f"pass numpy.ascontiguousarray({name})")
