"""GEMMs with packed weights: operands, their order in memory and what kernels must compute from them, stated slowly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from low_precision import ORDERS, aligned, group_affine, padded

from immabench import _native
from immabench.data_types import bf16_to_f32, f32_to_bf16

__all__ = ["ORDERS"]
F16, BF16 = "f16", "bf16"


def kernels_of(family: str) -> list[dict[str, Any]]:
    """The wgmma kernels of a family, as the native module describes them."""
    return [kernel for kernel in _native.kernels() if kernel["family"] == family and kernel["id"].startswith("wgmma")]


def place(bits: int, multiply_bits: int, q: int, word: int, code: int) -> tuple[int, int]:
    """Of a lane's code: whether it is of row r + 8, and its place along K within the block."""
    if (bits, multiply_bits) == (4, 8):
        return code % 2, 16 * word + 4 * q + code // 2
    if (bits, multiply_bits) == (4, 16):
        return code % 2, 16 * word + 8 * (code % 4 // 2) + 2 * q + code // 4
    assert (bits, multiply_bits) == (8, 16)
    return code % 2, 8 * word + 2 * q + code // 2


def fragment_major(codes: np.ndarray, bits: int, multiply_bits: int) -> np.ndarray:
    """Codes [N, K] as uint8 [ceil(N / 16), ceil(K / block), 512]; what is past them is code 0."""
    block_k = 64 if bits == 4 else 32
    n, k = codes.shape
    rows, columns = -(-n // 16), -(-k // block_k)
    padded = np.zeros((rows * 16, columns * block_k), np.uint8)
    padded[:n, :k] = codes & ((1 << bits) - 1)
    words = np.zeros((rows, columns, 32, 4), np.uint32)
    for lane in range(32):
        r, q = divmod(lane, 4)
        for word in range(4):
            for code in range(32 // bits):
                upper, column = place(bits, multiply_bits, q, word, code)
                taken = padded[r + 8 * upper :: 16, column::block_k].astype(np.uint32)
                words[:, :, lane, word] |= taken << np.uint32(bits * code)
    return words.view(np.uint8).reshape(rows, columns, 512)


def column_padded(array: np.ndarray) -> np.ndarray:
    """One number a row and group [N, K / group], as kernels take them: [K / group, N padded to 16]."""
    return np.ascontiguousarray(padded(array, 16, 1).T)


@dataclass
class PackedGemm:
    """Operands of one call. `weights`: what the packed codes stand for, exactly, float64 [N, K]; activations likewise.

    `group_sums`: scales of groups stay out of `weights`, and apply to the int32 sums of groups.
    """

    a: np.ndarray
    activations: np.ndarray
    packed: np.ndarray
    weights: np.ndarray
    group: int = 0
    group_scale: np.ndarray | None = None
    group_step: np.ndarray | None = None
    group_zero: np.ndarray | None = None
    group_sums: bool = False
    epilogue: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.activations), len(self.weights)

    def emulate(self, kernel: dict[str, Any], output_type: str, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """The output, poisoned before, and the machine's report."""
        dtype = {"s32": np.int32, "f32": np.float32, "f16": np.float16, "bf16": np.uint16}[output_type]
        out = aligned(np.full(self.shape, 0x5A, dtype))
        report = _native.emulate_gemm(
            kernel["id"],
            aligned(self.a),
            aligned(self.packed),
            out,
            output_type=output_type,
            group=self.group,
            **self.group_operands(kernel),
            **{name: aligned(array) for name, array in self.epilogue.items()},
            **options,
        )
        return out, report

    def group_operands(self, kernel: dict[str, Any]) -> dict[str, np.ndarray]:
        """Parameters of groups as the kernel takes them: what codes of 4 bits become in one word."""
        operands = {}
        if kernel["operand_types"]["a"] == "s8" and self.group_scale is not None:
            operands["group_scale"] = aligned(column_padded(self.group_scale))
        if kernel["operand_types"]["b"] == "u4":
            beside_s8 = self.group_step is not None
            words = group_affine(self.group_step, self.group_zero) if beside_s8 else self.float_affine(kernel)
            operands["group_affine"] = aligned(words)
        return operands

    def float_affine(self, kernel: dict[str, Any]) -> np.ndarray:
        """A scale's bits below those of 1024 + zero (f16) or 128 + zero (bf16), rows in the order 0, 8, 1, 9, .."""
        raised = self.group_zero.astype(np.uint32) + {F16: 0x6400, BF16: 0x4300}[kernel["operand_types"]["a"]]
        words = column_padded(self.group_scale.view(np.uint16) | raised << 16)
        order = [row // 2 + row % 2 * 8 for row in range(16)]
        return np.ascontiguousarray(words.reshape(len(words), -1, 16)[:, :, order].reshape(words.shape))

    def sums(self) -> np.ndarray:
        """int32 or exact float64 sums; with `group_sums` fp32, in ascending order of groups, each step rounded."""
        if not self.group_sums:
            return self.activations @ self.weights.T
        sums = np.zeros(self.shape, np.float32)
        for g in range(self.weights.shape[1] // self.group):
            part = slice(g * self.group, (g + 1) * self.group)
            products = (self.activations[:, part] @ self.weights[:, part].T).astype(np.float32)
            sums = sums + products * self.group_scale[:, g]
        return sums

    def expected(self, output_type: str) -> np.ndarray:
        """Bits of the output, where the sums are exact or specified."""
        sums = self.sums()
        if output_type == "s32":
            return sums.astype(np.int32)
        x = sums.astype(np.float32)
        if "row_scale" in self.epilogue:
            x = x * self.epilogue["row_scale"][:, None]
        if "col_scale" in self.epilogue:
            x = x * self.epilogue["col_scale"]
        if "bias" in self.epilogue:
            x = x + self.epilogue["bias"]
        with np.errstate(over="ignore"):  # to infinity, as the kernel does
            rounded = {"f32": np.float32, "f16": np.float16}.get(output_type)
            return f32_to_bf16(x) if rounded is None else x.astype(rounded)

    def expect_exact(self, kernel: dict[str, Any], output_type: str, **options: Any) -> dict[str, Any]:
        """No hazard, nothing that PTX leaves open, every bit right; the report."""
        out, report = self.emulate(kernel, output_type, **options)
        assert report["hazards"] == [], (kernel["id"], report["hazards"][:2])
        assert report["counts"].get("unspecified", 0) == 0
        want = self.expected(output_type)
        wrong = np.argwhere(out.view(f"u{out.itemsize}") != want.view(f"u{want.itemsize}"))
        assert not len(wrong), (
            kernel["id"],
            self.shape,
            len(wrong),
            wrong[0],
            out[tuple(wrong[0])],
            want[tuple(wrong[0])],
        )
        return report


def with_epilogue(gemm: PackedGemm, rng: np.random.Generator) -> PackedGemm:
    m, n = gemm.shape
    gemm.epilogue = {
        "row_scale": (2.0 ** rng.uniform(-8, 0, m)).astype(np.float32),
        "col_scale": (2.0 ** rng.uniform(-8, 0, n)).astype(np.float32),
        "bias": rng.normal(size=n).astype(np.float32),
    }
    return gemm


def edges(kernel: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Around the tile, K below one stage, short of the ring, beyond it, and no multiple of a block."""
    m, n, k = kernel["block_tile"]
    ring = kernel["stages"] * k
    return [
        (1, 1, 16),
        (m - 1, n - 1, k - 16),
        (m, n, k),
        (m + 1, n + 1, k + 16),
        (m, 2 * n + 8, 3 * k + 48),
        (2 * m + 3, 17, ring - k),
        (m, n + 3, kernel["split_k"] * ring + 5 * k + 64),
    ]


def rounded_k(k: int, group: int) -> int:
    """K that is whole groups."""
    return -(-k // group) * group if group else k


def code_range(b_type: str) -> tuple[int, int]:
    return {"s8": (-128, 127), "s4": (-8, 7), "u4": (0, 15)}[b_type]


def random_codes(rng: np.random.Generator, b_type: str, n: int, k: int) -> np.ndarray:
    """Codes int16 [n, k] over their full range, both ends included."""
    low, high = code_range(b_type)
    codes = rng.integers(low, high, (n, k), np.int16, endpoint=True)
    codes.flat[:: max(1, codes.size // 7)] = low
    codes.flat[1 :: max(1, codes.size // 5)] = high
    return codes


def random_zero(rng: np.random.Generator, n: int, groups: int) -> np.ndarray:
    return rng.integers(0, 15, (n, groups), np.uint8, endpoint=True)


def spread(array: np.ndarray, group: int) -> np.ndarray:
    """One number a group [n, K / group], for each element of K."""
    return np.repeat(array, group, axis=1)


def decoded(codes: np.ndarray, zero: np.ndarray, group: int) -> np.ndarray:
    return codes - spread(zero.astype(np.float64), group)


def integer_gemm(kernel: dict[str, Any], m: int, n: int, k: int, group: int = 0, seed: int = 0) -> PackedGemm:
    """int8 activations of full range, 4-bit weights in the form the kernel takes."""
    rng = np.random.default_rng((seed, m, n, k, group))
    b_type, form = kernel["operand_types"]["b"], kernel["group_scale"]
    a = rng.integers(-128, 127, (m, k), np.int8, endpoint=True)
    a.flat[:: max(1, a.size // 7)] = -128
    codes = random_codes(rng, b_type, n, k)
    weights, scale, step, zero = codes.astype(np.float64), None, None, None
    if group:
        zero = random_zero(rng, n, k // group)
        # The largest steps with which no code of the group leaves int8, or less.
        largest = np.minimum(128 // np.maximum(zero, 1).astype(int), 127 // np.maximum(15 - zero.astype(int), 1))
        step = np.where(rng.random(zero.shape) < 0.5, largest, rng.integers(1, largest, endpoint=True))
        weights = decoded(codes, zero, group) * spread(step.astype(np.float64), group)
    if form == "float":
        scale = (2.0 ** rng.uniform(-12, 4, (n, k // group))).astype(np.float32)
    packed = fragment_major(codes, 4, 8)
    return PackedGemm(a, a.astype(np.float64), packed, weights, group, scale, step, zero, group_sums=form == "float")


def to_16_bits(data_type: str, x: np.ndarray) -> np.ndarray:
    """float64 numbers rounded once (through fp32, which holds what is rounded here) as float16, or the bits of bf16."""
    return x.astype(np.float32).astype(np.float16) if data_type == F16 else f32_to_bf16(x.astype(np.float32))


def from_16_bits(data_type: str, x: np.ndarray) -> np.ndarray:
    return (x if data_type == F16 else bf16_to_f32(x)).astype(np.float64)


def float_gemm(
    kernel: dict[str, Any], m: int, n: int, k: int, group: int = 0, seed: int = 0, general: bool = False
) -> PackedGemm:
    """16-bit activations and packed weights. Sums are exact in fp32 in any order unless `general`."""
    rng = np.random.default_rng((seed, m, n, k, group))
    a_type, b_type = kernel["operand_types"]["a"], kernel["operand_types"]["b"]
    # Small integers other than 0, times a power of two: no sum is -0, none is rounded.
    small = rng.integers(1, 4, (m, k), endpoint=True) * rng.choice([-1.0, 1.0], (m, k)) / 4
    a = to_16_bits(a_type, rng.normal(size=(m, k)) if general else small)
    codes = random_codes(rng, b_type, n, k)
    bits = 8 if b_type == "s8" else 4
    packed = fragment_major(codes, bits, 16)
    groups = k // group if group else 0
    if not group:
        return PackedGemm(a, from_16_bits(a_type, a), packed, codes.astype(np.float64))
    zero = random_zero(rng, n, groups)
    exponents = rng.integers(-3, 3, (n, groups), endpoint=True).astype(np.float64)
    mantissas = rng.uniform(1, 2, (n, groups)) if general else 1.0
    scale = to_16_bits(a_type, mantissas * 2.0**exponents)
    product = decoded(codes, zero, group) * spread(from_16_bits(a_type, scale), group)
    weights = from_16_bits(a_type, to_16_bits(a_type, product))
    return PackedGemm(a, from_16_bits(a_type, a), packed, weights, group, scale, None, zero)
