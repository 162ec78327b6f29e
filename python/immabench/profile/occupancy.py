"""How many blocks of a kernel one multiprocessor holds at once.

Limits: CUDA C++ Programming Guide, table "Technical Specifications per Compute Capability". Allocation rules: NVIDIA's
`cuda_occupancy.h` (registers go to whole warps in units of 256, shared memory in units of 128 bytes plus the 1 KiB the
system keeps a block from compute capability 8.0 on). A test compares the answers with that header's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WARP_SIZE = 32
_REGISTERS_PER_SM = 65536
_REGISTER_UNIT = 256  # registers, a warp
_SUB_PARTITIONS = 4
_SYSTEM_SHARED_BYTES = 1024  # a block, from compute capability 8.0 on


@dataclass(frozen=True)
class Limits:
    """What one multiprocessor holds: blocks, warps, shared memory in bytes (also the most one block may have)."""

    blocks: int
    warps: int
    shared_bytes: int
    shared_bytes_per_block: int


_KIB = 1024
LIMITS = {
    "sm_75": Limits(16, 32, 64 * _KIB, 64 * _KIB),
    "sm_80": Limits(32, 64, 164 * _KIB, 163 * _KIB),
    "sm_86": Limits(16, 48, 100 * _KIB, 99 * _KIB),
    "sm_87": Limits(16, 48, 164 * _KIB, 163 * _KIB),
    "sm_89": Limits(24, 48, 100 * _KIB, 99 * _KIB),
    "sm_90": Limits(32, 64, 228 * _KIB, 227 * _KIB),
    "sm_100": Limits(32, 64, 228 * _KIB, 227 * _KIB),
    "sm_120": Limits(24, 48, 100 * _KIB, 99 * _KIB),
}


@dataclass(frozen=True)
class Occupancy:
    """Resident blocks and warps of one multiprocessor, and the resource that allows no more."""

    blocks_per_sm: int
    warps_per_sm: int
    limited_by: str  # "registers" | "shared memory" | "threads" | "blocks"


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def limits(arch: str) -> Limits:
    """Limits of `arch`, e.g. "sm_90a" (the suffix changes no limit). KeyError for an architecture not in the table."""
    return LIMITS[re.sub(r"[af]$", "", arch)]


def occupancy(arch: str, *, registers: int, threads: int, shared_bytes: int) -> Occupancy:
    """Occupancy of blocks of `threads` threads with `registers` each and `shared_bytes` (static and dynamic)."""
    machine = limits(arch)
    warps = -(-threads // WARP_SIZE)
    warps_by_registers = _SUB_PARTITIONS * (
        _REGISTERS_PER_SM // _SUB_PARTITIONS // _round_up(max(registers, 1) * WARP_SIZE, _REGISTER_UNIT)
    )
    system, unit = (0, 256) if arch.startswith("sm_7") else (_SYSTEM_SHARED_BYTES, 128)
    fits = {
        "registers": warps_by_registers // warps,
        "threads": machine.warps // warps,
        "blocks": machine.blocks,
    }
    if shared_bytes > machine.shared_bytes_per_block:
        fits["shared memory"] = 0
    elif shared_bytes + system:
        fits["shared memory"] = machine.shared_bytes // _round_up(shared_bytes + system, unit)
    limited_by = min(fits, key=lambda resource: fits[resource])
    return Occupancy(fits[limited_by], fits[limited_by] * warps, limited_by)
