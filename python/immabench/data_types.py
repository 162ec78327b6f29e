"""Data types as numpy holds them: bfloat16 and FP8 as the bits of their values, uint16 and uint8, fewer bits packed.

docs/numerics.md specifies every conversion, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immabench.problems import INTEGER_TYPES, TYPE_BITS

Array = NDArray[Any]

NUMPY_TYPES: dict[str, type[np.generic]] = {
    "b1": np.uint8,
    "s4": np.uint8,
    "u4": np.uint8,
    "u8": np.uint8,
    "s8": np.int8,
    "s32": np.int32,
    "e4m3": np.uint8,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": np.uint16,
}
"""The numpy type that holds each data type; bf16 and e4m3 as bits, two s4 or u4 and eight b1 a byte."""

E4M3_MAX = 448.0

E4M3_NAN = 0x7F


def f32_to_bf16(x: ArrayLike) -> NDArray[np.uint16]:
    """Round float32 to the nearest bfloat16, ties to even, as uint16 bits. A NaN stays a NaN, made quiet."""
    value = np.asarray(x, np.float32)
    bits = value.view(np.uint32)
    # Adding just under half of the kept unit, plus its last bit, rounds to nearest even and carries into the exponent;
    # it cannot wrap for numbers (the largest is infinity) and a NaN is replaced below.
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x0040)
    return np.where(np.isnan(value), quiet, rounded).astype(np.uint16)


def bf16_to_f32(bits: ArrayLike) -> NDArray[np.float32]:
    """The float32 values of bfloat16 bits, exact."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def f32_to_e4m3(x: ArrayLike) -> NDArray[np.uint8]:
    """Round float32 to the nearest E4M3, ties to even, as bits; beyond +-448 it saturates, infinities included.

    The format is that of the OCP 8-bit floating-point specification: 4 exponent bits of bias 7, 3 bits of mantissa, no
    infinity. Saturation is what CUDA's `__NV_SATFINITE` conversion does (cuda_fp8.h). A NaN becomes the NaN 0x7F.
    """
    value = np.asarray(x, np.float32)
    nan = np.isnan(value)
    magnitude = np.minimum(np.where(nan, np.float32(0), np.abs(value)), np.float32(E4M3_MAX))
    # frexp counts from [0.5, 1); below 2^-6 the spacing no longer shrinks: those are the subnormals.
    exponent = np.frexp(np.maximum(magnitude, np.float32(2.0**-6)))[1] - 1
    eighths = np.rint(np.ldexp(magnitude, 3 - exponent)).astype(np.int32)
    # 16 eighths carry into the exponent; fewer than 8 occur only at -6, where the exponent field is 0.
    code = 8 * (exponent + 7) + eighths - 8
    signed = code | np.where(np.signbit(value), 0x80, 0)
    return np.where(nan, E4M3_NAN, signed).astype(np.uint8)


def e4m3_to_f32(bits: ArrayLike) -> NDArray[np.float32]:
    """The float32 values of E4M3 bits, exact; 0x7F and 0xFF are NaN."""
    return _E4M3_VALUES[np.asarray(bits, np.uint8)]


def _e4m3_values() -> NDArray[np.float32]:
    codes = np.arange(128)
    exponent, mantissa = codes >> 3, codes & 7
    normal = np.ldexp(1.0 + mantissa / 8, exponent - 7)
    magnitude = np.where(exponent == 0, np.ldexp(mantissa / 8, -6), normal)
    magnitude[E4M3_NAN] = np.nan
    return np.concatenate([magnitude, -magnitude]).astype(np.float32)


_E4M3_VALUES = _e4m3_values()


def pack_codes(codes: NDArray[np.int8], bits: int) -> NDArray[np.uint8]:
    """Codes [..., K] of 1, 2, 4 or 8 bits in bytes [..., ceil(K / (8 / bits))]: the first in the lowest bits.

    Of each code its low `bits` are taken; what remains of the last byte is 0.
    """
    per_byte = 8 // bits
    raw = codes.view(np.uint8) & np.uint8((1 << bits) - 1)
    missing = -codes.shape[-1] % per_byte
    if missing:
        raw = np.concatenate([raw, np.zeros((*raw.shape[:-1], missing), np.uint8)], axis=-1)
    packed = raw[..., 0::per_byte].copy()
    for i in range(1, per_byte):
        packed |= raw[..., i::per_byte] << np.uint8(bits * i)
    return packed


def unpack_codes(packed: NDArray[np.uint8], bits: int, signed: bool) -> NDArray[np.int8]:
    """Every code [..., bytes * (8 / bits)] that `pack_codes` packed; two's complement where `signed`."""
    # Each code is moved to the top of a byte, so that the shift back down extends its sign, or none.
    top = packed[..., None] << np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    codes: NDArray[np.int8] = (top.view(np.int8 if signed else np.uint8) >> (8 - bits)).astype(np.int8)
    return codes.reshape(*packed.shape[:-1], -1)


def pack_s4(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """int4 values [..., K], in [-8, 7] with K even, two a byte [..., K / 2]: the even element in the low nibble."""
    return pack_codes(codes, 4)


def unpack_s4(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The int4 values [..., K] that `pack_s4` packed."""
    return unpack_codes(packed, 4, signed=True)


def stored_integers(data_type: str, stored: Array) -> NDArray[np.int8]:
    """The integers [.., rows, K] of an operand of `INTEGER_TYPES` as it is stored; bits count as 0 and 1."""
    return stored if data_type == "s8" else unpack_codes(stored, TYPE_BITS[data_type], signed=data_type == "s4")


def round_to(data_type: str, x: Array) -> Array:
    """float32 rounded once, to nearest even, to a float type; overflow gives infinity, in e4m3 its largest number."""
    if data_type == "bf16":
        return f32_to_bf16(x)
    if data_type == "e4m3":
        return f32_to_e4m3(x)
    with np.errstate(over="ignore"):
        return x.astype(NUMPY_TYPES[data_type])


def as_float32(data_type: str, values: Array) -> NDArray[np.float32]:
    """Values of `data_type`, as they are stored, as float32, exactly; integers of less than a byte are unpacked."""
    if data_type == "bf16":
        return bf16_to_f32(values)
    if data_type == "e4m3":
        return e4m3_to_f32(values)
    return (stored_integers(data_type, values) if data_type in INTEGER_TYPES else values).astype(np.float32)
