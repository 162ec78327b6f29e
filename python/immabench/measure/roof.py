"""The roof over a row, from the ceilings a run measured: min(peak, intensity x bandwidth).

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. The peak of an operand type is the best rate of an
instruction that the hardware has; where none was measured it is that of the library's GEMM. The bandwidth is the better
of reading and copying. Ceilings of older runs hold the library's rates and the copy alone: their roof is made of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PEAK_KEYS = {
    "s8": "int8_tops",
    "e4m3": "fp8_tflops",
    "f32": "fp32_tflops",
    "bf16": "bf16_tflops",
    "f16": "fp16_tflops",
}
"""Operand type -> key of the library's GEMM in the ceilings dictionary."""

COPY_KEYS = ("copy_gbps", "cache_gbps")
READ_KEYS = ("read_gbps", "cache_read_gbps")
MEMORY_KEYS = {"read_gbps": "read", "copy_gbps": "copy"}
"""What bounds a row whose operands come from memory, and how each was measured."""
CACHE_KEYS = {"cache_read_gbps": "read", "cache_gbps": "copy"}
"""What bounds a row whose operands stay in the last-level cache, a GPU's L2."""

FULL_ACCUMULATORS = ("s32", "f32")
"""Rows accumulate in these: an instruction that sums in fp16 is not their peak."""

NOISE_ALLOWANCE = 0.05
"""How far a library may seem above an instruction: a median is known to 1 %, and clocks move between measurements."""


@dataclass(frozen=True)
class Limit:
    """A measured rate, 1e12 operations/s or 1e9 bytes/s, and what reached it."""

    rate: float
    source: str


def ceilings_by_device(meta: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Ceilings of a run keyed by device kind; run.json holds none, one set, or one set a device."""
    stored = meta.get("ceilings") or {}
    if "device" in stored:
        return {str(stored["device"]): stored}
    return {kind: one for kind, one in stored.items() if isinstance(one, dict)}


def instruction_limit(ceilings: dict[str, Any], operand_type: str) -> Limit | None:
    """The fastest native instruction on operands of that type with full accumulators; None where none was measured."""
    rates = [
        Limit(float(entry["rate"]), str(entry["name"]))
        for entry in ceilings.get("instructions") or []
        if entry["operand_type"] == operand_type and entry["status"] == "native" and entry["rate"] is not None
        if entry["accumulator"] in FULL_ACCUMULATORS
    ]
    return max(rates, key=lambda limit: limit.rate, default=None)


def library_limit(ceilings: dict[str, Any], operand_type: str) -> Limit | None:
    """What the library's GEMM reached on operands of that type."""
    rate = ceilings.get(PEAK_KEYS.get(operand_type, ""))
    return None if rate is None else Limit(float(rate), "torch GEMM")


def peak(ceilings: dict[str, Any], operand_type: str) -> Limit | None:
    """The compute ceiling of an operand type: the best instruction, else the library; None where neither is known.

    Where the hardware has no instruction for s4, what it can do with such operands is what it can do with s8.
    """
    found = instruction_limit(ceilings, operand_type) or library_limit(ceilings, operand_type)
    return peak(ceilings, "s8") if found is None and operand_type == "s4" else found


def memory_limit(ceilings: dict[str, Any]) -> Limit | None:
    """The bandwidth of memory: the better of reading and copying; None where neither was measured."""
    return _better(ceilings, MEMORY_KEYS)


def cache_limit(ceilings: dict[str, Any]) -> Limit | None:
    """The bandwidth of the last-level cache: the better of reading and copying; None where neither was measured."""
    return _better(ceilings, CACHE_KEYS)


def _better(ceilings: dict[str, Any], keys: dict[str, str]) -> Limit | None:
    known = [Limit(float(ceilings[key]), name) for key, name in keys.items() if ceilings.get(key)]
    return max(known, key=lambda limit: limit.rate, default=None)


def roof_tops(ceilings: dict[str, Any], operand_type: str, operations_per_byte: float) -> float | None:
    """The roof in 1e12 operations/s at an arithmetic intensity; None where its peak or bandwidth was not measured."""
    top, memory = peak(ceilings, operand_type), memory_limit(ceilings)
    if top is None or memory is None:
        return None
    return min(top.rate, operations_per_byte * memory.rate / 1e3)


def shared_ceilings(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without what only one of them measured, so that their roofs are made of the same things."""
    names = [{_identity(entry) for entry in each.get("instructions") or [] if entry["rate"]} for each in (one, other)]
    keys = {key for key in one.keys() & other.keys() if one[key] is not None and other[key] is not None}
    return _only(one, keys, names[0] & names[1]), _only(other, keys, names[0] & names[1])


def contradictions(ceilings: dict[str, Any]) -> list[str]:
    """A line for each type whose library GEMM beats the best instruction by more than noise: one of them is wrong."""
    lines = []
    for operand_type in PEAK_KEYS:
        instruction, library = instruction_limit(ceilings, operand_type), library_limit(ceilings, operand_type)
        if instruction and library and library.rate > instruction.rate * (1 + NOISE_ALLOWANCE):
            lines.append(
                f"the {operand_type} GEMM ran at {library.rate:.3g}e12 operations/s, above the "
                f"{instruction.rate:.3g}e12 of {instruction.source}: the clock moved, or the library has an "
                "instruction that was not measured"
            )
    return lines


def _identity(entry: dict[str, Any]) -> tuple[str, int]:
    return entry["name"], entry["cores"]


def _only(ceilings: dict[str, Any], keys: set[str], names: set[tuple[str, int]]) -> dict[str, Any]:
    kept = {key: ceilings[key] for key in keys - {"instructions"}}
    return {**kept, "instructions": [e for e in ceilings.get("instructions") or [] if _identity(e) in names]}
