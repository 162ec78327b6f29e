"""What a GEMM problem is: its shape, its types and its epilogue.

    total = A[M,K] @ B[N,K]^T - a_zero[M] * sum_k B[N,k]
    x     = (total * row_scale[M]) * col_scale[N] + bias[N]
    C     = round(activation(x + residual[M,N])), or quantized by out_scale[N] and out_zero[N]

Both operands are K-major: row-major A[M,K] and row-major B[N,K]. Of a batch there are so many of each, A[batch,M,K] and
B[batch,N,K], as attention has them, a product a head. Of a convolution A is an image, whose patches are the rows, and B
are the filters (immabench.convolution). docs/numerics.md is the specification.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from math import prod
from typing import Any

from immabench.convolution import Convolution, parse_convolution
from immabench.epilogue_vectors import VECTORS
from immabench.problem_rules import ACTIVATIONS as ACTIVATIONS
from immabench.problem_rules import GROUP_SCALES as GROUP_SCALES
from immabench.problem_rules import INTEGER_TYPES as INTEGER_TYPES
from immabench.problem_rules import MAX_K_S8 as MAX_K_S8
from immabench.problem_rules import MAX_SIZE as MAX_SIZE
from immabench.problem_rules import MAX_SUM as MAX_SUM
from immabench.problem_rules import MIXED_TYPES as MIXED_TYPES
from immabench.problem_rules import OPERAND_TYPES as OPERAND_TYPES
from immabench.problem_rules import OUTPUT_TYPES as OUTPUT_TYPES
from immabench.problem_rules import RESIDUAL_TYPES as RESIDUAL_TYPES
from immabench.problem_rules import SCALE_KINDS as SCALE_KINDS
from immabench.problem_rules import TYPE_BITS as TYPE_BITS
from immabench.problem_rules import check_problem

Shape = tuple[int, int, int]
"""(M, N, K)."""

_SCALE_LETTER = {"tensor": "t", "vector": "v"}
_GROUP_SUFFIX = {"none": "zero", "float": "", "step": "step"}


@dataclass(frozen=True)
class Problem:
    """One GEMM, or a batch of them. Raises UsageError for bad sizes, unknown types, K that overflows int32, an epilogue
    that cannot be.

    A batch is of operands of one type. Each product has its own matrices and vectors; "tensor" is one value for all.

    `b_group` is how many elements of K share what `b_scale` says a group of weights has, 0 where weights have no
    groups: "float", a scale of fp32 beside s8 activations and of the activations' type else; "step", an int8 factor
    (s8 activations); "none", of u4 alone. Weights of u4 have a zero point a group besides:
    B[n,k] stands for (b[n,k] - zero[n,g]) * scale[n,g], g = k / b_group.

    `conv` names the geometry of a convolution, "" where there is none; M and K follow from it (`conv_problem`).
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
    batch: int = 1
    conv: str = ""

    def __post_init__(self) -> None:
        check_problem(self)

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
        """`MxNxK`, as the command line takes it; of a batch that of each product."""
        return f"{self.m}x{self.n}x{self.k}"

    @property
    def convolution(self) -> Convolution | None:
        """The convolution that `conv` names."""
        return parse_convolution(self.conv) if self.conv else None

    @property
    def a_shape(self) -> tuple[int, ...]:
        """Of A: [M,K], [batch,M,K], or an image [images,height,width,channels]."""
        return self.convolution.image_shape if self.convolution else self.of_batch(self.m, self.k)

    def of_batch(self, *sizes: int) -> tuple[int, ...]:
        """The shape of an array of which every product has one of `sizes`: a batch puts its size in front."""
        return (self.batch, *sizes) if self.batch > 1 else sizes

    @property
    def family(self) -> str:
        """The kernel family that computes this problem, as `immabench.ops` names it: `gemm_s8`, `conv2d_w4a8`."""
        operation = "conv2d" if self.conv else "gemm"
        if self.a_type == self.b_type:
            return f"{operation}_w4a4" if self.a_type == "s4" else f"{operation}_{self.a_type}"
        return f"{operation}_w{TYPE_BITS[self.b_type]}a{TYPE_BITS[self.a_type]}"

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
        """Multiply-accumulates: M * N * K of each product, those of a convolution with its padding too."""
        return self.batch * self.m * self.n * self.k

    @property
    def operations(self) -> int:
        """Arithmetic operations, a multiply-accumulate being two."""
        return 2 * self.macs

    @property
    def bytes_moved(self) -> int:
        """Compulsory traffic in bytes: every operand read once, the output written once."""
        activations = prod(self.a_shape) * TYPE_BITS[self.a_type] // 8
        outputs = self.batch * self.m * self.n
        residual = outputs * TYPE_BITS[self.residual] // 8 if self.residual != "none" else 0
        vectors = 4 * sum(prod(vector.shape(self) or (0,)) for vector in VECTORS.values() if vector.extent != "one")
        return activations + self.weight_bytes + outputs * TYPE_BITS[self.output_type] // 8 + residual + vectors

    @property
    def weight_bytes(self) -> int:
        """Bytes of B and of what its groups have: what packing the weights reads."""
        per_group = {"float": TYPE_BITS[self.group_scale_type] // 8, "step": 1, "none": 0}[self.b_scale]
        per_group += 1 if self.b_type == "u4" else 0
        groups = self.k // self.b_group if self.b_group else 0
        return self.batch * self.n * (self.k * TYPE_BITS[self.b_type] // 8 + groups * per_group)

    @property
    def operations_per_byte(self) -> float:
        """Arithmetic intensity over the compulsory traffic."""
        return self.operations / self.bytes_moved

    @property
    def key(self) -> str:
        """Stable name, safe in a file name: `gemm_s8_m128_n256_k64_f16_rv_cv_b` (row, column vector scales, bias).

        A convolution has its geometry in the place of M and K: `conv2d_s8_1x56x56x64_f3_p1_n64_f16_cv_b`. Then what
        there is of: `batch12` products, behind K; `g128` groups of weights with float scales (`step`, `zero` where they
        have those alone), `zt` a zero point of A (one for all), `resf16` a residual, `gelu`, `ovz` (vector) scales with
        zero points of the output.
        """
        sizes = [self.conv, f"n{self.n}"] if self.conv else [f"m{self.m}", f"n{self.n}", f"k{self.k}"]
        parts = [f"{'conv2d' if self.conv else 'gemm'}_{self.precision}", *sizes]
        parts += [f"batch{self.batch}"] if self.batch > 1 else []
        parts += [self.output_type]
        parts += [f"r{_SCALE_LETTER[self.row_scale]}"] if self.row_scale != "none" else []
        parts += [f"c{_SCALE_LETTER[self.col_scale]}"] if self.col_scale != "none" else []
        parts += ["b"] if self.bias else []
        parts += [f"g{self.b_group}{_GROUP_SUFFIX[self.b_scale]}"] if self.b_group else []
        parts += [f"z{_SCALE_LETTER[self.a_zero]}"] if self.a_zero != "none" else []
        parts += [f"res{self.residual}"] if self.residual != "none" else []
        parts += [self.activation] if self.activation != "none" else []
        parts += [f"o{_SCALE_LETTER[self.out_scale]}{'z' * self.out_zero}"] if self.out_scale != "none" else []
        return "_".join(parts)

    def differing(self, other: Problem) -> dict[str, Any]:
        """The fields in which `other` is another problem, as it has them: `replace(self, **those)` is `other`."""
        own = self.as_dict()
        return {name: value for name, value in other.as_dict().items() if value != own[name]}

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Problem:
        """The problem of `as_dict()`; keys that are not fields are ignored, so the fields of a row serve too."""
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


def conv_problem(convolution: Convolution | str, filters: int, **others: Any) -> Problem:
    """The problem of a convolution with so many filters, `others` being its other fields."""
    geometry = parse_convolution(convolution) if isinstance(convolution, str) else convolution
    return Problem(geometry.m, filters, geometry.k, conv=str(geometry), **others)


def precision_of(a_type: str, b_type: str) -> str:
    """As `Problem.precision`, of the types alone."""
    return a_type if a_type == b_type else f"{a_type}_{b_type}"


def float_problem(problem: Problem, data_type: str) -> Problem:
    """`problem` as a float baseline computes it: every type `data_type`, nothing that quantization brings."""
    return replace(problem, a_type=data_type, b_type=data_type, output_type=data_type, **WITHOUT_QUANTIZATION)
