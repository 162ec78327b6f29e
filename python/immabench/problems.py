"""What a GEMM problem is: its shape, its types and its epilogue.

    total = A[M,K] @ B[N,K]^T - a_zero[M] * sum_k B[N,k]
    x     = (total * row_scale[M]) * col_scale[N] + bias[N]
    C     = round(activation(x + residual[M,N])), or quantized by out_scale[N] and out_zero[N]

Both operands are K-major: row-major A[M,K] and row-major B[N,K]. docs/numerics.md is the specification.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from immabench.errors import UsageError

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

Shape = tuple[int, int, int]
"""(M, N, K)."""

_SCALE_LETTER = {"tensor": "t", "vector": "v"}
_GROUP_SUFFIX = {"none": "zero", "float": "", "step": "step"}
_KINDS = {
    "row_scale": SCALE_KINDS,
    "col_scale": SCALE_KINDS,
    "a_zero": SCALE_KINDS,
    "out_scale": SCALE_KINDS,
    "b_scale": GROUP_SCALES,
    "residual": RESIDUAL_TYPES,
    "activation": ACTIVATIONS,
}


@dataclass(frozen=True)
class Problem:
    """One GEMM. Raises UsageError for bad sizes, unknown types, K that overflows int32, an epilogue that cannot be.

    `b_group` is how many elements of K share what `b_scale` says a group of weights has, 0 where weights have no
    groups: "float", a scale of fp32 beside s8 activations and of the activations' type else; "step", an int8 factor
    (s8 activations); "none", of u4 alone. Weights of u4 have a zero point a group besides:
    B[n,k] stands for (b[n,k] - zero[n,g]) * scale[n,g], g = k / b_group.
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
    b_scale: str = "none"
    a_zero: str = "none"
    residual: str = "none"
    activation: str = "none"
    out_scale: str = "none"
    out_zero: bool = False

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_types()
        self._check_group()
        self._check_sums()
        self._check_epilogue()

    def _check_sizes(self) -> None:
        for name in ("m", "n", "k"):
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise UsageError(f"{name.upper()}={size!r} is not a size", "M, N and K are whole numbers of at least 1")
            if size > MAX_SIZE:
                raise UsageError(f"{name.upper()}={size} is too large", f"M, N and K go up to {MAX_SIZE}")

    def _check_types(self) -> None:
        _check_member("a_type", self.a_type, OPERAND_TYPES)
        _check_member("b_type", self.b_type, tuple(dict.fromkeys((*OPERAND_TYPES, *(b for _, b in MIXED_TYPES)))))
        _check_member("output_type", self.output_type, OUTPUT_TYPES)
        for name, known in _KINDS.items():
            _check_member(name, getattr(self, name), known)
        if self.b_type != self.a_type and (self.a_type, self.b_type) not in MIXED_TYPES:
            pairs = ", ".join(f"{a} with {b}" for a, b in MIXED_TYPES)
            raise UsageError(
                f"a_type={self.a_type} and b_type={self.b_type} differ", f"give both one type, or one of: {pairs}"
            )
        for name in ("a_type", "b_type"):
            each = 8 // TYPE_BITS[getattr(self, name)]
            if each > 1 and self.k % each:
                stored = {2: "two", 8: "eight"}[each]
                raise UsageError(
                    f"{self.shape}: {getattr(self, name)} is stored {stored} a byte along K",
                    f"choose K in multiples of {each}",
                )

    def _check_group(self) -> None:
        if isinstance(self.b_group, bool) or not isinstance(self.b_group, int) or self.b_group < 0:
            raise UsageError(f"b_group={self.b_group!r} is not a group size", "give elements of K, or 0 for none")
        mixed = self.b_type in ("s4", "u4") and self.a_type != self.b_type
        if self.b_group and not mixed:
            raise UsageError(
                f"{self.precision} weights have no group scales", "leave b_group out, or use b_type s4 or u4"
            )
        if self.b_group and self.k % self.b_group:
            raise UsageError(f"{self.shape}: groups of {self.b_group} do not divide K", "choose b_group that divides K")
        if self.b_type == "u4" and not self.b_group:
            raise UsageError("u4 weights have a zero point a group", f"give b_group; {self.k} is one a channel here")
        if self.b_scale != "none" and not self.b_group:
            raise UsageError(f"b_scale={self.b_scale} without groups of weights", "give b_group, or leave b_scale out")
        if self.b_scale == "step" and self.a_type != "s8":
            raise UsageError(f"integer steps keep sums of integers, not of {self.a_type}", "use b_scale float")
        if self.b_group and self.b_scale == "none" and self.b_type == "s4":
            raise UsageError("groups of s4 weights need something of their own", "use b_scale float or step")

    def _check_sums(self) -> None:
        if self.is_integer and self.k > self.largest_k:
            raise UsageError(
                f"{self.shape}: K={self.k} can overflow the int32 accumulator of {self.precision.replace('_', ' x ')}"
                + (" with a zero point" if self.a_zero != "none" else ""),
                f"keep K <= {self.largest_k}, or split K",
            )
        if not self.is_integer and self.a_zero != "none":
            raise UsageError(f"{self.a_type} activations have no zero point", "leave a_zero out")

    def _check_epilogue(self) -> None:
        if self.output_type == "s32":
            if not self.has_integer_sum:
                raise UsageError(f"{self.a_type} operands have no s32 output", "use f32, f16 or bf16")
            if self.scaled or self.extras_after_scales:
                raise UsageError(
                    f"{self.shape}: s32 output is the bare accumulator", "use f32, f16, bf16 or s8 with an epilogue"
                )
        if (self.output_type == "s8") != (self.out_scale != "none"):
            raise UsageError(
                f"output_type={self.output_type} with out_scale={self.out_scale}",
                "an s8 output has an out_scale (tensor or vector), others have none",
            )
        if self.out_zero and self.output_type != "s8":
            raise UsageError(f"{self.output_type} outputs have no zero point", "leave out_zero out, or use s8")

    @property
    def is_integer(self) -> bool:
        """Whether both operands are integers, so that results are compared bit for bit."""
        return self.a_type in INTEGER_TYPES

    @property
    def has_integer_sum(self) -> bool:
        """Whether the whole sum is one int32: not where float scales come in within K."""
        return self.is_integer and self.b_scale != "float"

    @property
    def largest_k(self) -> int:
        """Largest K whose sum of integers fits int32 whatever the operands. b_type with steps counts as s8."""
        from_zero = {"s8": 128, "s4": 8, "b1": 1}[self.a_type] if self.a_zero == "none" else 255
        weights = {"s8": 128, "s4": 128, "u4": 128, "b1": 1}[self.b_type] if self.a_type != "s4" else 8
        return MAX_SUM // (from_zero * weights)

    @property
    def scaled(self) -> bool:
        """Whether the epilogue has a scale of rows or columns, or a bias."""
        return self.row_scale != "none" or self.col_scale != "none" or self.bias

    @property
    def extras_after_scales(self) -> tuple[str, ...]:
        """What follows scales and bias, in words."""
        present = {
            "residual": self.residual != "none",
            self.activation: self.activation != "none",
            "int8 outputs": self.output_type == "s8",
        }
        return tuple(name for name, there in present.items() if there)

    @property
    def extras(self) -> tuple[str, ...]:
        """What the problem has beyond operands of one type, scales and bias, in words: not everyone computes it."""
        zero = ("zero point of A",) if self.a_zero != "none" else ()
        return (*zero, *self.extras_after_scales)

    @property
    def shape(self) -> str:
        """`MxNxK`, as the command line takes it."""
        return f"{self.m}x{self.n}x{self.k}"

    @property
    def family(self) -> str:
        """The kernel family that computes this problem, as `immabench.ops` names it: `gemm_s8`, `gemm_w4a8`."""
        if self.a_type == self.b_type:
            return "gemm_w4a4" if self.a_type == "s4" else f"gemm_{self.a_type}"
        return f"gemm_w{TYPE_BITS[self.b_type]}a{TYPE_BITS[self.a_type]}"

    @property
    def precision(self) -> str:
        """The operand type, or both where they differ: `s8`, `bf16_s4`."""
        return precision_of(self.a_type, self.b_type)

    @property
    def bias_type(self) -> str:
        """The type of the bias: fp32 beside integers, of FP8 what cuBLASLt takes, else the activations' own."""
        if self.a_type == "e4m3":
            return "f16" if self.output_type == "f16" else "bf16"
        return "f32" if self.is_integer else self.a_type

    @property
    def group_scale_type(self) -> str:
        """The type of the weights' group scales: fp32 beside integers, else that of the activations."""
        return "f32" if self.is_integer else self.a_type

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
        residual = self.m * self.n * TYPE_BITS[self.residual] // 8 if self.residual != "none" else 0
        return activations + self.weight_bytes + output + residual + 4 * sum(self._vector_lengths())

    def _vector_lengths(self) -> tuple[int, ...]:
        """Elements of every vector of the epilogue."""
        of_rows, of_columns = ({"none": 0, "tensor": 1, "vector": length} for length in (self.m, self.n))
        return (
            of_rows[self.row_scale],
            of_rows[self.a_zero],
            of_columns[self.col_scale],
            of_columns[self.out_scale] * (2 if self.out_zero else 1),
            self.n if self.bias else 0,
            self.n if self.a_zero != "none" else 0,
        )

    @property
    def weight_bytes(self) -> int:
        """Bytes of B and of what its groups have: what packing the weights reads."""
        per_group = {"float": TYPE_BITS[self.group_scale_type] // 8, "step": 1, "none": 0}[self.b_scale]
        per_group += 1 if self.b_type == "u4" else 0
        groups = self.k // self.b_group if self.b_group else 0
        return self.n * (self.k * TYPE_BITS[self.b_type] // 8 + groups * per_group)

    @property
    def operations_per_byte(self) -> float:
        """Arithmetic intensity over the compulsory traffic."""
        return self.operations / self.bytes_moved

    @property
    def key(self) -> str:
        """Stable name, safe in a file name: `gemm_s8_m128_n256_k64_f16_rv_cv_b` (row, column vector scales, bias).

        Then what there is of: `g128` groups of weights with float scales (`step`, `zero` where they have those alone),
        `zt` a zero point of A (one for all), `resf16` a residual, `gelu`, `ovz` (vector) scales with zero points of
        the output.
        """
        parts = [f"gemm_{self.precision}", f"m{self.m}", f"n{self.n}", f"k{self.k}", self.output_type]
        parts += [f"r{_SCALE_LETTER[self.row_scale]}"] if self.row_scale != "none" else []
        parts += [f"c{_SCALE_LETTER[self.col_scale]}"] if self.col_scale != "none" else []
        parts += ["b"] if self.bias else []
        parts += [f"g{self.b_group}{_GROUP_SUFFIX[self.b_scale]}"] if self.b_group else []
        parts += [f"z{_SCALE_LETTER[self.a_zero]}"] if self.a_zero != "none" else []
        parts += [f"res{self.residual}"] if self.residual != "none" else []
        parts += [self.activation] if self.activation != "none" else []
        parts += [f"o{_SCALE_LETTER[self.out_scale]}{'z' * self.out_zero}"] if self.out_scale != "none" else []
        return "_".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Problem:
        """The problem of `as_dict()`; keys that are not fields are ignored, so a row serves too."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


WITHOUT_QUANTIZATION: dict[str, Any] = {
    "row_scale": "none",
    "col_scale": "none",
    "b_group": 0,
    "b_scale": "none",
    "a_zero": "none",
    "out_scale": "none",
    "out_zero": False,
}
"""Fields of a problem that only quantized operands or outputs have, and what they are without."""


def precision_of(a_type: str, b_type: str) -> str:
    """As `Problem.precision`, of the types alone."""
    return a_type if a_type == b_type else f"{a_type}_{b_type}"


def float_problem(problem: Problem, data_type: str) -> Problem:
    """`problem` as a float baseline computes it: every type `data_type`, nothing that quantization brings."""
    return replace(problem, a_type=data_type, b_type=data_type, output_type=data_type, **WITHOUT_QUANTIZATION)


def _check_member(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"unknown {name} {value!r}", f"choose one of {', '.join(known)}")
