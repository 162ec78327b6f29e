"""What a GEMM problem is: its shape, its types and its epilogue.

    C[M,N] = round(((A[M,K] @ B[N,K]^T) * row_scale[M]) * col_scale[N] + bias[N])

Both operands are K-major: row-major A[M,K] and row-major B[N,K].
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from immabench.errors import UsageError

TYPE_BITS = {"s4": 4, "s8": 8, "s32": 32, "f16": 16, "bf16": 16, "f32": 32}
"""Bits of one element of every data type a problem may name."""

DATA_TYPES = tuple(TYPE_BITS)
OPERAND_TYPES = ("s8", "f32", "f16", "bf16")
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
    """One GEMM. Raises UsageError for bad sizes, unknown types, K that overflows int32, scaled integer output."""

    m: int
    n: int
    k: int
    a_type: str = "s8"
    b_type: str = "s8"
    output_type: str = "s32"
    row_scale: str = "none"
    col_scale: str = "none"
    bias: bool = False

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_types()
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
        _check_member("output_type", self.output_type, OUTPUT_TYPES)
        _check_member("row_scale", self.row_scale, SCALE_KINDS)
        _check_member("col_scale", self.col_scale, SCALE_KINDS)
        if self.b_type != self.a_type:
            raise UsageError(f"a_type={self.a_type} and b_type={self.b_type} differ", "give both operands one type")
        if self.a_type != "s8" and self.output_type == "s32":
            raise UsageError(f"{self.a_type} operands have no s32 output", "use f32, f16 or bf16")

    @property
    def shape(self) -> str:
        """`MxNxK`, as the command line takes it."""
        return f"{self.m}x{self.n}x{self.k}"

    @property
    def family(self) -> str:
        """The kernel family that computes this problem, for example `gemm_s8`."""
        return f"gemm_{self.a_type}"

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
        operands = (self.m + self.n) * self.k * TYPE_BITS[self.a_type]
        output = self.m * self.n * TYPE_BITS[self.output_type]
        lengths = (
            {"none": 0, "tensor": 1, "vector": self.m}[self.row_scale],
            {"none": 0, "tensor": 1, "vector": self.n}[self.col_scale],
            self.n if self.bias else 0,
        )
        return (operands + output) // 8 + 4 * sum(lengths)

    @property
    def operations_per_byte(self) -> float:
        """Arithmetic intensity over the compulsory traffic."""
        return self.operations / self.bytes_moved

    @property
    def key(self) -> str:
        """Stable name, safe in a file name: `gemm_s8_m128_n256_k64_f16_rv_cv_b` (row, column vector scales, bias)."""
        parts = [self.family, f"m{self.m}", f"n{self.n}", f"k{self.k}", self.output_type]
        parts += [f"r{_SCALE_LETTER[self.row_scale]}"] if self.row_scale != "none" else []
        parts += [f"c{_SCALE_LETTER[self.col_scale]}"] if self.col_scale != "none" else []
        parts += ["b"] if self.bias else []
        return "_".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Problem:
        """The problem of `as_dict()`; keys that are not fields are ignored, so a row serves too."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


def _check_member(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"unknown {name} {value!r}", f"choose one of {', '.join(known)}")
