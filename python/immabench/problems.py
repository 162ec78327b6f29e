"""What a GEMM problem is: its shape, its types and its epilogue.

    C[M,N] = round(((A[M,K] @ B[N,K]^T) * row_scale[M]) * col_scale[N] + bias[N])

Both operands are K-major: row-major A[M,K] and row-major B[N,K].
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from immabench.errors import UsageError

TYPE_BITS = {"s4": 4, "s8": 8, "s32": 32, "e4m3": 8, "f16": 16, "bf16": 16, "f32": 32}
"""Bits of one element of every data type a problem may name; e4m3 is the FP8 of the OCP 8-bit floating-point
specification (revision 1.0)."""

DATA_TYPES = tuple(TYPE_BITS)
OPERAND_TYPES = ("s8", "e4m3", "f32", "f16", "bf16")
"""Types that both operands may have."""

MIXED_TYPES = (("bf16", "s4"),)
"""Pairs (activations, weights) of different types."""

OUTPUT_TYPES = ("s32", "f32", "f16", "bf16")
SCALE_KINDS = ("none", "tensor", "vector")

MAX_SIZE = 2**31 - 1
"""Largest M, N or K: kernels count them in 32 bits."""

MAX_K_S8 = (2**31 - 1) // 128**2
"""Largest K for which K products of -128 * -128 still fit int32: 131071."""

Shape = tuple[int, int, int]
"""(M, N, K)."""

_SCALE_LETTER = {"tensor": "t", "vector": "v"}


@dataclass(frozen=True)
class Problem:
    """One GEMM. Raises UsageError for bad sizes, unknown types, K that overflows int32, scaled integer output.

    `b_group` is how many elements of K one scale of the weights covers, 0 where the weights have no such scales. Group
    scales have the type of the activations: B[n,k] stands for b[n,k] * group_scale[n, k / b_group].
    """

    m: int
    n: int
    k: int
    a_type: str = "s8"
    b_type: str = "s8"
    output_type: str = "s32"
    row_scale: str = "none"
    col_scale: str = "none"
    bias: bool = False
    b_group: int = 0

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_types()
        self._check_group()
        if self.a_type == "s8" and self.k > MAX_K_S8:
            raise UsageError(
                f"{self.shape}: K={self.k} can overflow the int32 accumulator of s8 x s8",
                f"keep K <= {MAX_K_S8}, or split K",
            )
        if self.output_type == "s32" and (self.row_scale != "none" or self.col_scale != "none" or self.bias):
            raise UsageError(
                f"{self.shape}: s32 output is the bare accumulator", "use f32, f16 or bf16 with scales or bias"
            )

    def _check_sizes(self) -> None:
        for name in ("m", "n", "k"):
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise UsageError(f"{name.upper()}={size!r} is not a size", "M, N and K are whole numbers of at least 1")
            if size > MAX_SIZE:
                raise UsageError(f"{name.upper()}={size} is too large", f"M, N and K go up to {MAX_SIZE}")

    def _check_types(self) -> None:
        _check_member("a_type", self.a_type, OPERAND_TYPES)
        _check_member("b_type", self.b_type, (*OPERAND_TYPES, *(weights for _, weights in MIXED_TYPES)))
        _check_member("output_type", self.output_type, OUTPUT_TYPES)
        _check_member("row_scale", self.row_scale, SCALE_KINDS)
        _check_member("col_scale", self.col_scale, SCALE_KINDS)
        if self.b_type != self.a_type and (self.a_type, self.b_type) not in MIXED_TYPES:
            pairs = ", ".join(f"{a} with {b}" for a, b in MIXED_TYPES)
            raise UsageError(
                f"a_type={self.a_type} and b_type={self.b_type} differ", f"give both one type, or one of: {pairs}"
            )
        if self.a_type != "s8" and self.output_type == "s32":
            raise UsageError(f"{self.a_type} operands have no s32 output", "use f32, f16 or bf16")

    def _check_group(self) -> None:
        if self.b_type == "s4" and self.k % 2:
            raise UsageError(f"{self.shape}: s4 is stored two a byte along K", "choose an even K")
        if isinstance(self.b_group, bool) or not isinstance(self.b_group, int) or self.b_group < 0:
            raise UsageError(f"b_group={self.b_group!r} is not a group size", "give elements of K, or 0 for none")
        if self.b_group and self.b_type != "s4":
            raise UsageError(f"{self.b_type} weights have no group scales", "leave b_group out, or use b_type s4")
        if self.b_group and self.k % self.b_group:
            raise UsageError(f"{self.shape}: groups of {self.b_group} do not divide K", "choose b_group that divides K")

    @property
    def shape(self) -> str:
        """`MxNxK`, as the command line takes it."""
        return f"{self.m}x{self.n}x{self.k}"

    @property
    def family(self) -> str:
        """The kernel family that computes this problem, for example `gemm_s8` or `gemm_bf16_s4`."""
        return f"gemm_{self.precision}"

    @property
    def precision(self) -> str:
        """The operand type, or both where they differ: `s8`, `bf16_s4`."""
        return precision_of(self.a_type, self.b_type)

    @property
    def bias_type(self) -> str:
        """The type of the bias: fp32 beside integers, of FP8 what cuBLASLt takes, else the activations' own."""
        if self.a_type == "e4m3":
            return "f16" if self.output_type == "f16" else "bf16"
        return "f32" if self.a_type == "s8" else self.a_type

    @property
    def macs(self) -> int:
        """Multiply-accumulates: M * N * K."""
        return self.m * self.n * self.k

    @property
    def operations(self) -> int:
        """Arithmetic operations, a multiply-accumulate being two."""
        return 2 * self.macs

    @property
    def bytes_moved(self) -> int:
        """Compulsory traffic in bytes: every operand read once, the output written once."""
        activations = self.m * self.k * TYPE_BITS[self.a_type] // 8
        output = self.m * self.n * TYPE_BITS[self.output_type] // 8
        lengths = (
            {"none": 0, "tensor": 1, "vector": self.m}[self.row_scale],
            {"none": 0, "tensor": 1, "vector": self.n}[self.col_scale],
            self.n if self.bias else 0,
        )
        return activations + self.weight_bytes + output + 4 * sum(lengths)

    @property
    def weight_bytes(self) -> int:
        """Bytes of B and of its group scales: what packing the weights reads."""
        scales = self.k // self.b_group * TYPE_BITS[self.a_type] if self.b_group else 0
        return self.n * (self.k * TYPE_BITS[self.b_type] + scales) // 8

    @property
    def operations_per_byte(self) -> float:
        """Arithmetic intensity over the compulsory traffic."""
        return self.operations / self.bytes_moved

    @property
    def key(self) -> str:
        """Stable name, safe in a file name: `gemm_s8_m128_n256_k64_f16_rv_cv_b` (row, column vector scales, bias).

        Group scales add `g128`, the group size.
        """
        parts = [self.family, f"m{self.m}", f"n{self.n}", f"k{self.k}", self.output_type]
        parts += [f"r{_SCALE_LETTER[self.row_scale]}"] if self.row_scale != "none" else []
        parts += [f"c{_SCALE_LETTER[self.col_scale]}"] if self.col_scale != "none" else []
        parts += ["b"] if self.bias else []
        parts += [f"g{self.b_group}"] if self.b_group else []
        return "_".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Problem:
        """The problem of `as_dict()`; keys that are not fields are ignored, so a row serves too."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


def precision_of(a_type: str, b_type: str) -> str:
    """As `Problem.precision`, of the types alone."""
    return a_type if a_type == b_type else f"{a_type}_{b_type}"


def float_problem(problem: Problem, data_type: str) -> Problem:
    """`problem` as a float baseline computes it: every type `data_type`, no scales."""
    return replace(
        problem, a_type=data_type, b_type=data_type, output_type=data_type, row_scale="none", col_scale="none"
    )


def _check_member(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"unknown {name} {value!r}", f"choose one of {', '.join(known)}")
