"""Which kernel a mangled symbol is. One line a family; ids are those of the native module's `kernels()`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class KernelName:
    """A kernel instance: its id, the variant of its code, threads a block, dynamic shared memory in bytes."""

    kernel_id: str
    variant: str
    threads: int
    shared_bytes: int


def _imma_s8(symbol: str, tile: re.Match[str]) -> KernelName:
    block_m, block_n, block_k, warps_m, warps_n, stages = map(int, re.findall(r"Li(\d+)E", tile["tile"]))
    aligned = re.search(r"Lb([01])E", symbol[tile.end() :])
    return KernelName(
        kernel_id=f"imma_s8s8s32_{block_m}x{block_n}x{block_k}_w{warps_m}x{warps_n}_s{stages}_sm80",
        variant="aligned" if aligned and aligned[1] == "1" else "ragged",
        threads=32 * warps_m * warps_n,
        # The stages, or the epilogue's slabs of 16 int32 rows a warp, which use them again.
        shared_bytes=max(stages * (block_m + block_n) * block_k, warps_m * 16 * block_n * 4),
    )


# (symbol pattern, formatter). Patterns are of Itanium-mangled template arguments: Li128E is the int 128, Lb1E is true.
FAMILIES: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], KernelName]], ...] = (
    (re.compile(r"imma_s8_kernel.*?ImmaConfigI(?P<tile>(?:Li\d+E){6})"), _imma_s8),
)


def kernel_name(symbol: str) -> KernelName | None:
    """The kernel of a mangled `symbol`, None for helpers and functions of libraries."""
    for pattern, describe in FAMILIES:
        if match := pattern.search(symbol):
            return describe(symbol, match)
    return None
