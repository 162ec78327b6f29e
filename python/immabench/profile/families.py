"""Which kernel a mangled symbol is. One line a family; ids are those of the native module's `kernels()`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class KernelName:
    """A kernel instance: its id, the variant of its code, threads a block, dynamic shared memory in bytes.

    `only_on` is the one architecture that has its instructions, `never_on` the one that has not, "" for none; where
    they are missing its code is empty.
    """

    kernel_id: str
    variant: str
    threads: int
    shared_bytes: int
    only_on: str = ""
    never_on: str = ""

    def has_code(self, arch: str) -> bool:
        return self.only_on in ("", arch) and arch != self.never_on


@dataclass(frozen=True)
class _MmaOperands:
    """What a kernel by mma.sync takes: how its ids begin, bits of an element of A and of B, and bytes a stage holds of
    parameters of groups for a column.
    """

    types: str
    a_bits: int
    b_bits: int
    group_bytes: int = 0


# By the name of the policy and those of its operand types.
_MMA_OPERANDS = {
    ("RowMajorOperands", "S8"): _MmaOperands("imma_s8s8s32", 8, 8),
    ("RowMajorOperands", "S4"): _MmaOperands("imma_s4s4s32", 4, 4),
    ("RowMajorOperands", "B1"): _MmaOperands("bmma_b1b1s32", 1, 1),
    ("W4A8Operands", "S4", "i"): _MmaOperands("imma_s8s4s32", 8, 4),
    ("W4A8Operands", "U4", "i"): _MmaOperands("imma_s8u4s32", 8, 4, 4 * 2),
    ("W4A8Operands", "S4", "f"): _MmaOperands("imma_s8s4f32", 8, 4, 4 * 4),
    ("W4A8Operands", "U4", "f"): _MmaOperands("imma_s8u4f32", 8, 4, 4 * 6),
    ("DequantizedOperands", "F16", "U4"): _MmaOperands("hmma_f16u4f32", 16, 4, 4 * 4),
    ("DequantizedOperands", "BF16", "U4"): _MmaOperands("hmma_bf16u4f32", 16, 4, 4 * 4),
    ("DequantizedOperands", "F16", "S8"): _MmaOperands("hmma_f16s8f32", 16, 8),
    ("DequantizedOperands", "BF16", "S8"): _MmaOperands("hmma_bf16s8f32", 16, 8),
}


def _mma(symbol: str, match: re.Match[str]) -> KernelName:
    # Operand types are names, the type of sums a letter: N4simt4cuda2S4EiEE.
    types, sums = re.findall(r"\d([A-Z]+\d+)E", match["types"]), re.findall(r"\dE([if])[EN]", match["types"])
    operands = _MMA_OPERANDS[(match["policy"], *types, *sums)]
    prefix = operands.types.replace("imma_", "imma_conv_") if "ImagePatches" in match["types"] else operands.types
    block_m, block_n, block_k, warps_m, warps_n, stages, split_k = map(int, re.findall(r"Li(\d+)E", match["tile"]))
    split = {0: "_streamk", 1: ""}.get(split_k, f"_k{split_k}")
    stage_bytes = (block_m * operands.a_bits + block_n * operands.b_bits) * block_k // 8
    stage_bytes += block_n * operands.group_bytes
    return KernelName(
        kernel_id=f"{prefix}_{block_m}x{block_n}x{block_k}_w{warps_m}x{warps_n}{split}_s{stages}_sm80",
        variant=_variant(symbol, match),
        threads=32 * warps_m * warps_n,
        # The stages, or the epilogue's slabs of 16 rows of 4-byte sums a warp, which use them again.
        shared_bytes=max(stages * stage_bytes, warps_m * 16 * block_n * 4),
        never_on="sm_90a" if operands.a_bits == 4 else "",
    )


def _cutlass(symbol: str, match: re.Match[str]) -> KernelName:
    """One of CUTLASS', whose operands lie on 16 bytes."""
    bits = int(match["bits"] or 8)
    block_m, block_n, block_k, warps_m, warps_n, stages, _ = map(int, re.findall(r"Li(\d+)E", match["tile"]))
    types = "cutlass_conv_s8s8s32" if match["what"] == "Fprop" else f"cutlass_s{bits}s{bits}s32"
    return KernelName(
        kernel_id=f"{types}_{block_m}x{block_n}x{block_k}_w{warps_m}x{warps_n}_s{stages}_sm80",
        variant="aligned",
        threads=32 * warps_m * warps_n,
        shared_bytes=stages * (block_m + block_n) * block_k * bits // 8,
        never_on="sm_90a" if bits == 4 else "",
    )


_CUTLASS3_SCHEDULES = ("", "_pingpong", "_coop")


def _cutlass3(_: str, match: re.Match[str]) -> KernelName:
    """One of CUTLASS' by wgmma; the integers are those of Cutlass3Config."""
    block_m, block_n, block_k, cluster_m, cluster_n, stages, schedule = map(int, re.findall(r"Li(\d+)E", match["tile"]))
    consumers = 2 if schedule else 1
    cluster = f"_c{cluster_m}x{cluster_n}" if cluster_m * cluster_n > 1 else ""
    ending = f"w{consumers}{cluster}_s{stages}{_CUTLASS3_SCHEDULES[schedule]}_sm90a"
    return KernelName(
        kernel_id=f"cutlass3_s8s8s32_{block_m}x{block_n}x{block_k}_{ending}",
        variant="aligned",
        threads=128 * (consumers + 1),
        # Barriers; the stages; two boxes a consumer, which blocks of one tile have in the stages' place.
        shared_bytes=1024 + stages * (block_m + block_n) * block_k + (consumers * 2 * 64 * 128 if schedule else 0),
        only_on="sm_90a",
    )


def _wgmma_s8(symbol: str, tile: re.Match[str]) -> KernelName:
    numbers = map(int, re.findall(r"L[ib](\d+)E", tile["tile"]))
    block_m, block_n, block_k, consumers, cluster_m, cluster_n, split_k, stages, swapped = numbers
    parts = [
        f"w{consumers}",
        *([f"c{cluster_m}x{cluster_n}"] if cluster_m * cluster_n > 1 else []),
        *([f"k{split_k}"] if split_k > 1 else []),
        f"s{stages}",
        *(["swap"] if swapped else []),
    ]
    gathers = swapped or split_k > 1
    ring = stages * (block_m + block_n) * block_k
    types = "wgmma_conv_s8s8s32" if "ImageBoxes" in tile["operands"] else "wgmma_s8s8s32"
    return KernelName(
        kernel_id=f"{types}_{block_m}x{block_n}x{block_k}_{'_'.join(parts)}_sm90a",
        variant=_variant(symbol, tile),
        threads=128 * (consumers + 1),
        # Room to align; the stages, or the gathered tile in their place; two boxes a consumer; two mbarriers a stage.
        shared_bytes=1024
        + (max(ring, block_m * (block_n + (4 if swapped else 8)) * 4) if gathers else ring + consumers * 2 * 64 * 128)
        + 2 * stages * 8,
        only_on="sm_90a",
    )


def _quantizer(symbol: str, kernel: re.Match[str]) -> KernelName:
    """One that goes element by element, 256 threads; the variant is its types, width (where that varies), alignment."""
    element = re.search(r"\d+Element(F32|F16|BF16)", symbol)
    variant = [
        *([element[1].lower()] if element else []),
        *({"i": "s32", "a": "s8"}[x[1]] + f" by {x[2]}" for x in re.finditer(r"kernelI([ia])Li(\d+)E", symbol)),
        *(["by column"] if re.search(r"ELb1ELb[01]E", symbol) else []),
        "aligned" if re.search(r"Lb1EEE", symbol) else "ragged",
    ]
    return KernelName(f"{kernel['family']}_t256_sm80", " ".join(variant), threads=256, shared_bytes=0)


def _pooling(_: str, kernel: re.Match[str]) -> KernelName:
    """The variant is the type of averages, where a kernel has one, and how many channels a thread takes."""
    out = {"a": "s8 ", "f": "f32 ", None: ""}[kernel["out"]]
    block = kernel["block"] is not None
    threads, shared = (128, 4 * 128) if block else (256, 0)
    name = f"{kernel['family']}_t{threads if block else 1}_sm80"
    return KernelName(name, f"{out}by {kernel['width']}", threads=threads, shared_bytes=shared)


def _reordering(symbol: str, kernel: re.Match[str]) -> KernelName:
    """The variant is the layout and the alignment."""
    variant = f"{kernel['layout'].lower()} {'aligned' if kernel['aligned'] == '1' else 'ragged'}"
    return KernelName("reorder_weights_t256_sm80", variant, threads=256, shared_bytes=0)


def _row_quantizer(symbol: str, kernel: re.Match[str]) -> KernelName:
    """One that reduces rows; the variant is the type (of floats), the alignment, and whether rows are read again."""
    threads = int(kernel["threads"])
    aligned, resident = kernel["aligned"] == "1", kernel["resident"] == "1"
    element = f"{kernel['type'].lower()} " if kernel["type"] else ""
    return KernelName(
        kernel_id=f"{kernel['family']}_t{threads}_sm80",
        variant=f"{element}{'aligned' if aligned else 'ragged'}{'' if resident else ' streamed'}",
        threads=max(threads, 128),
        # Two floats a thread and three words a warp; a warp by itself needs none.
        shared_bytes=4 * (2 * threads + 3 * (threads // 32)) if threads > 32 else 0,
    )


# Of `PackedFormat` in order: what the ids begin with, bits of an activation and of a weight, bytes of the parameters of
# a group and row.
_PACKED_FORMATS = (
    ("wgmma_s8s4s32", 8, 4, 0),
    ("wgmma_s8u4s32", 8, 4, 2),
    ("wgmma_s8u4f32", 8, 4, 6),
    ("wgmma_f16u4f32", 16, 4, 4),
    ("wgmma_bf16u4f32", 16, 4, 4),
    ("wgmma_f16s8f32", 16, 8, 0),
    ("wgmma_bf16s8f32", 16, 8, 0),
)


def _wgmma_packed(symbol: str, tile: re.Match[str]) -> KernelName:
    number, block_m, split_k, stages, image = map(int, re.findall(r"L[ib](\d+)E", tile["tile"]))
    types, a_bits, b_bits, group_bytes = _PACKED_FORMATS[number]
    types = types.replace("wgmma_", "wgmma_conv_") if image else types
    split = f"_k{split_k}" if split_k > 1 else ""
    # Operands of 128 elements of K, and parameters of 4 groups, on 1024 bytes.
    stage = -(-(16 * (block_m * a_bits + 128 * b_bits) + 4 * 128 * group_bytes) // 1024) * 1024
    return KernelName(
        kernel_id=f"{types}_{block_m}x128x128_w2{split}_s{stages}_sm90a",
        variant="aligned",
        threads=384,
        # Room to align; the stages, or the gathered tile in their place; two mbarriers a stage.
        shared_bytes=1024 + max(stages * stage, block_m * (128 + 4) * 4) + 2 * stages * 8,
        only_on="sm_90a",
    )


def _attention(symbol: str, tile: re.Match[str]) -> KernelName:
    warps, keys, depth, stages, _ = map(int, re.findall(r"Li(\d+)E", tile["tile"]))
    return KernelName(
        kernel_id=f"attention_s8_{16 * warps}x{keys}_d{depth}_s{stages}_sm80",
        variant="aligned",
        threads=32 * warps,
        # Queries, and stages of keys and values.
        shared_bytes=(16 * warps + 2 * stages * keys) * depth,
    )


def _variant(symbol: str, tile: re.Match[str]) -> str:
    """The template argument after the tile's: whether the operands are aligned."""
    aligned = re.search(r"Lb([01])E", symbol[tile.end() :])
    return "aligned" if aligned and aligned[1] == "1" else "ragged"


# (symbol pattern, formatter). Patterns are of Itanium-mangled template arguments: Li128E is the int 128, Lb1E is true.
FAMILIES: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], KernelName]], ...] = (
    (
        re.compile(
            r"mma_gemm_kernelI(?:N\w*?_)?\d+(?P<policy>[A-Z]\w*?Operands)I(?P<types>\w*?)MmaConfigI(?P<tile>(?:Li\d+E){7})"
        ),
        _mma,
    ),
    (
        re.compile(
            r"cutlass_kernelI(?:N\w*?_)?\d+(?P<what>Gemm|Fprop)InstanceI(?:Li(?P<bits>\d)E)?"
            r"(?:N\w*?_)?\d+MmaConfigI(?P<tile>(?:Li\d+E){7})"
        ),
        _cutlass,
    ),
    (re.compile(r"cutlass3_kernelI.*?Cutlass3ConfigI(?P<tile>(?:Li\d+E){7})"), _cutlass3),
    (re.compile(r"wgmma_s8_kernelI(?P<operands>\w*?)WgmmaConfigI(?P<tile>(?:Li\d+E){8}Lb[01]E)"), _wgmma_s8),
    (re.compile(r"wgmma_packed_kernel.*?WgmmaPackedConfigI(?P<tile>(?:Li\d+E){4}Lb[01]E)"), _wgmma_packed),
    (
        re.compile(
            r"\d(?P<family>quantize_dynamic|layernorm_quantize|softmax_quantize)_kernelI"
            r"(?:.*?\dElement(?P<type>F32|F16|BF16))?"
            r".*?RowConfigTypeILi(?P<threads>\d+)E.*?EELb(?P<aligned>[01])ELb(?P<resident>[01])E"
        ),
        _row_quantizer,
    ),
    (
        re.compile(r"\dreorder_weights_kernelI\w*?\d(?P<layout>W\d+M\d+)ELb(?P<aligned>[01])E"),
        _reordering,
    ),
    (
        re.compile(r"\d(?P<family>max_pool2d|avg_pool2d)(?P<block>_block)?_kernelI(?P<out>[af])?Li(?P<width>\d+)E"),
        _pooling,
    ),
    (re.compile(r"\dattention_s8_kernelI.*?AttentionConfigI(?P<tile>(?:Li\d+E){5})"), _attention),
    (re.compile(r"\d(?P<family>quantize|dequantize|requantize|pack_s4|unpack_s4)_kernelI"), _quantizer),
)


def kernel_name(symbol: str) -> KernelName | None:
    """The kernel of a mangled `symbol`, None for helpers and functions of libraries."""
    for pattern, describe in FAMILIES:
        if match := pattern.search(symbol):
            return describe(symbol, match)
    return None
