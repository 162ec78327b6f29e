"""What a problem may state: data types, kinds of scales, sizes, and the rules that tie them to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immabench.errors import UsageError

if TYPE_CHECKING:
    from immabench.problems import Problem

TYPE_BITS = {
    "b1": 1,
    "s4": 4,
    "u4": 4,
    "s8": 8,
    "s32": 32,
    "e4m3": 8,
    "f16": 16,
    "bf16": 16,
    "f32": 32,
}
"""Bits of one element of every data type a problem may name; e4m3 is the FP8 of the OCP 8-bit floating-point
specification (revision 1.0), b1 a bit that counts as 0 or 1."""

DATA_TYPES = tuple(TYPE_BITS)
INTEGER_TYPES = ("s8", "s4", "u4", "b1")
OPERAND_TYPES = ("s8", "s4", "b1", "e4m3", "f32", "f16", "bf16")
"""Types that both operands may have."""

MIXED_TYPES = (
    ("s8", "s4"),
    ("s8", "u4"),
    ("f16", "s4"),
    ("f16", "u4"),
    ("f16", "s8"),
    ("bf16", "s4"),
    ("bf16", "u4"),
    ("bf16", "s8"),
)
"""Pairs (activations, weights) of different types. u4 weights have a zero point a group."""

OUTPUT_TYPES = ("s32", "s8", "f32", "f16", "bf16")
SCALE_KINDS = ("none", "tensor", "vector")
RESIDUAL_TYPES = ("none", "s8", "f32", "f16", "bf16")
ACTIVATIONS = ("none", "relu", "gelu")
GROUP_SCALES = ("none", "float", "step")
"""What one group of weights has: nothing but a zero point, a float scale, or an integer step that keeps the sum an
integer."""

MAX_SIZE = 2**31 - 1
"""Largest M, N or K: kernels count them in 32 bits."""

MAX_SUM = 2**31 - 1

MAX_K_S8 = MAX_SUM // 128**2
"""Largest K for which K products of -128 * -128 still fit int32: 131071."""

_KINDS = {
    "row_scale": SCALE_KINDS,
    "col_scale": SCALE_KINDS,
    "a_zero": SCALE_KINDS,
    "out_scale": SCALE_KINDS,
    "b_scale": GROUP_SCALES,
    "residual": RESIDUAL_TYPES,
    "activation": ACTIVATIONS,
}


def check_problem(problem: Problem) -> None:
    """Raise UsageError, with a remedy, for the first rule that `problem` breaks."""
    _check_sizes(problem)
    _check_types(problem)
    _check_batch(problem)
    _check_convolution(problem)
    _check_group(problem)
    _check_sums(problem)
    _check_epilogue(problem)


def _check_sizes(problem: Problem) -> None:
    for name in ("m", "n", "k"):
        size = getattr(problem, name)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UsageError(f"{name.upper()}={size!r} is not a size", "M, N and K are whole numbers of at least 1")
        if size > MAX_SIZE:
            raise UsageError(f"{name.upper()}={size} is too large", f"M, N and K go up to {MAX_SIZE}")


def _check_types(problem: Problem) -> None:
    _check_member("a_type", problem.a_type, OPERAND_TYPES)
    _check_member("b_type", problem.b_type, tuple(dict.fromkeys((*OPERAND_TYPES, *(b for _, b in MIXED_TYPES)))))
    _check_member("output_type", problem.output_type, OUTPUT_TYPES)
    for name, known in _KINDS.items():
        _check_member(name, getattr(problem, name), known)
    if problem.b_type != problem.a_type and (problem.a_type, problem.b_type) not in MIXED_TYPES:
        pairs = ", ".join(f"{a} with {b}" for a, b in MIXED_TYPES)
        raise UsageError(
            f"a_type={problem.a_type} and b_type={problem.b_type} differ", f"give both one type, or one of: {pairs}"
        )
    for name in ("a_type", "b_type"):
        each = 8 // TYPE_BITS[getattr(problem, name)]
        if each > 1 and problem.k % each:
            stored = {2: "two", 8: "eight"}[each]
            raise UsageError(
                f"{problem.shape}: {getattr(problem, name)} is stored {stored} a byte along K",
                f"choose K in multiples of {each}",
            )


def _check_batch(problem: Problem) -> None:
    batch = problem.batch
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= MAX_SIZE:
        raise UsageError(f"batch={batch!r} is no number of products", f"give a whole number from 1 to {MAX_SIZE}")
    if batch > 1 and problem.a_type != problem.b_type:
        raise UsageError(
            f"a batch of {problem.precision}: weights of a type of their own are of one product",
            "give a_type and b_type one type, or leave batch out",
        )


def _check_convolution(problem: Problem) -> None:
    convolution = problem.convolution
    if convolution is None:
        return
    if (problem.m, problem.k) != (convolution.m, convolution.k):
        raise UsageError(
            f"{problem.shape}: M and K of {problem.conv} are {convolution.m} and {convolution.k}",
            "state those, or build the problem by conv_problem",
        )
    if str(convolution) != problem.conv:
        raise UsageError(f"conv={problem.conv!r} is written {str(convolution)!r}", "write it so: names are keys")
    if problem.batch > 1:
        raise UsageError("a batch of convolutions", "put more images into one")
    if TYPE_BITS[problem.a_type] < 8:
        raise UsageError(f"images of {problem.a_type}", "use a_type s8, or a float type")
    if problem.a_zero == "vector":
        raise UsageError("pixels of an image have one zero point", "use a_zero tensor")


def _check_group(problem: Problem) -> None:
    if isinstance(problem.b_group, bool) or not isinstance(problem.b_group, int) or problem.b_group < 0:
        raise UsageError(f"b_group={problem.b_group!r} is not a group size", "give elements of K, or 0 for none")
    mixed = problem.b_type in ("s4", "u4") and problem.a_type != problem.b_type
    if problem.b_group and not mixed:
        raise UsageError(
            f"{problem.precision} weights have no group scales", "leave b_group out, or use b_type s4 or u4"
        )
    if problem.b_group and problem.k % problem.b_group:
        groups = f"groups of {problem.b_group}"
        raise UsageError(f"{problem.shape}: {groups} do not divide K", "choose b_group that divides K")
    if problem.b_type == "u4" and not problem.b_group:
        raise UsageError("u4 weights have a zero point a group", f"give b_group; {problem.k} is one a channel here")
    if problem.b_scale != "none" and not problem.b_group:
        raise UsageError(f"b_scale={problem.b_scale} without groups of weights", "give b_group, or leave b_scale out")
    if problem.b_scale == "step" and problem.a_type != "s8":
        raise UsageError(f"integer steps keep sums of integers, not of {problem.a_type}", "use b_scale float")
    if problem.b_group and problem.b_scale == "none" and problem.b_type == "s4":
        raise UsageError("groups of s4 weights need something of their own", "use b_scale float or step")


def _check_sums(problem: Problem) -> None:
    if problem.is_integer and problem.k > problem.largest_k:
        operands = problem.precision.replace("_", " x ")
        raise UsageError(
            f"{problem.shape}: K={problem.k} can overflow the int32 accumulator of {operands}"
            + (" with a zero point" if problem.a_zero != "none" else ""),
            f"keep K <= {problem.largest_k}, or split K",
        )
    if not problem.is_integer and problem.a_zero != "none":
        raise UsageError(f"{problem.a_type} activations have no zero point", "leave a_zero out")


def _check_epilogue(problem: Problem) -> None:
    if problem.output_type == "s32":
        if not problem.has_integer_sum:
            raise UsageError(f"{problem.a_type} operands have no s32 output", "use f32, f16 or bf16")
        if problem.scaled or problem.extras_after_scales:
            raise UsageError(
                f"{problem.shape}: s32 output is the bare accumulator", "use f32, f16, bf16 or s8 with an epilogue"
            )
    if (problem.output_type == "s8") != (problem.out_scale != "none"):
        raise UsageError(
            f"output_type={problem.output_type} with out_scale={problem.out_scale}",
            "an s8 output has an out_scale (tensor or vector), others have none",
        )
    if problem.out_zero and problem.output_type != "s8":
        raise UsageError(f"{problem.output_type} outputs have no zero point", "leave out_zero out, or use s8")


def _check_member(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"unknown {name} {value!r}", f"choose one of {', '.join(known)}")
