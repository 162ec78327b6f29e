"""Which kernel a mangled symbol is. One line a family; ids are those of the native module's `kernels()`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class KernelName:
    """A kernel instance: its id, the variant of its code, threads a block, dynamic shared memory in bytes.

    `only_on` is the one architecture that has its instructions, empty for all; elsewhere its code is empty. `also` are the
    ids of kernels whose code it is too.
    """

    kernel_id: str
    variant: str
    threads: int
    shared_bytes: int
    only_on: str = ""
    also: tuple[str, ...] = ()


def _imma_s8(symbol: str, tile: re.Match[str]) -> KernelName:
    block_m, block_n, block_k, warps_m, warps_n, stages = map(int, re.findall(r"Li(\d+)E", tile["tile"]))
    return KernelName(
        kernel_id=f"imma_s8s8s32_{block_m}x{block_n}x{block_k}_w{warps_m}x{warps_n}_s{stages}_sm80",
        variant=_variant(symbol, tile),
        threads=32 * warps_m * warps_n,
        # The stages, or the epilogue's slabs of 16 int32 rows a warp, which use them again.
        shared_bytes=max(stages * (block_m + block_n) * block_k, warps_m * 16 * block_n * 4),
    )


def _wgmma_s8(symbol: str, tile: re.Match[str]) -> KernelName:
    numbers = map(int, re.findall(r"L[ib](\d+)E", tile["tile"]))
    block_m, block_n, consumers, cluster_m, cluster_n, split_k, stages, swapped = numbers
    parts = [
        f"w{consumers}",
        *([f"c{cluster_m}x{cluster_n}"] if cluster_m * cluster_n > 1 else []),
        *([f"k{split_k}"] if split_k > 1 else []),
        f"s{stages}",
        *(["swap"] if swapped else []),
    ]
    gathers = swapped or split_k > 1
    ring = stages * (block_m + block_n) * 128
    return KernelName(
        kernel_id=f"wgmma_s8s8s32_{block_m}x{block_n}x128_{'_'.join(parts)}_sm90a",
        variant=_variant(symbol, tile),
        threads=128 * (consumers + 1),
        # Room to align; the stages, or the gathered tile in their place; two boxes a consumer; two mbarriers a stage.
        shared_bytes=1024
        + (max(ring, block_m * (block_n + (4 if swapped else 8)) * 4) if gathers else ring + consumers * 2 * 64 * 128)
        + 2 * stages * 8,
        only_on="sm_90a",
    )


# Of `PackedFormat` in order: activations, accumulators, bits of a weight, what the id ends with, words of a group and row.
_PACKED_FORMATS = (
    ("s8", "s32", 4, "", 0),
    ("s8", "s32", 4, "_step", 1),
    ("s8", "f32", 4, "", 2),
    ("f16", "f32", 4, "", 1),
    ("bf16", "f32", 4, "", 1),
    ("f16", "f32", 8, "", 0),
    ("bf16", "f32", 8, "", 0),
)


def _wgmma_packed(symbol: str, tile: re.Match[str]) -> KernelName:
    number, block_m, split_k, stages = map(int, re.findall(r"Li(\d+)E", tile["tile"]))
    a, accumulator, bits, ending, words = _PACKED_FORMATS[number]
    split = f"_k{split_k}" if split_k > 1 else ""
    signed, unsigned = (
        f"wgmma_{a}{b}{accumulator}_{block_m}x128x128_w2{split}_s{stages}{ending}_sm90a"
        for b in ("s8" if bits == 8 else "s4", "u4")
    )
    stage = block_m * 128 * (1 if a == "s8" else 2) + 128 * 128 * bits // 8 + 4 * words * 128 * 4
    return KernelName(
        kernel_id=signed,
        variant="aligned",
        threads=384,
        # Room to align; the stages, or the gathered tile in their place; two mbarriers a stage.
        shared_bytes=1024 + max(stages * stage, block_m * (128 + 4) * 4) + 2 * stages * 8,
        only_on="sm_90a",
        also=(unsigned,) if words else (),
    )


def _variant(symbol: str, tile: re.Match[str]) -> str:
    """The template argument after the tile's: whether the operands are aligned."""
    aligned = re.search(r"Lb([01])E", symbol[tile.end() :])
    return "aligned" if aligned and aligned[1] == "1" else "ragged"


# (symbol pattern, formatter). Patterns are of Itanium-mangled template arguments: Li128E is the int 128, Lb1E is true.
FAMILIES: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], KernelName]], ...] = (
    (re.compile(r"imma_s8_kernel.*?ImmaConfigI(?P<tile>(?:Li\d+E){6})"), _imma_s8),
    (re.compile(r"wgmma_s8_kernel.*?WgmmaConfigI(?P<tile>(?:Li\d+E){7}Lb[01]E)"), _wgmma_s8),
    (re.compile(r"wgmma_packed_kernel.*?WgmmaPackedConfigI(?P<tile>(?:Li\d+E){4})"), _wgmma_packed),
)


def kernel_name(symbol: str) -> KernelName | None:
    """The kernel of a mangled `symbol`, None for helpers and functions of libraries."""
    for pattern, describe in FAMILIES:
        if match := pattern.search(symbol):
            return describe(symbol, match)
    return None
