"""Write docs/kernels.md: what every configuration of every kernel moves, emulated, and what its machine code spends.

    python bench/kernel_table.py            print the tables
    python bench/kernel_table.py --write    put them into the document, between its markers

Needs a build with CUDA for the machine code; no GPU. Emulated figures are counts, not times.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from tables import emulated_counts, markdown_table, print_or_write

from immabench.convolution import parse_convolution
from immabench.kernels import (
    CompanionConfig,
    CompanionShape,
    KernelConfig,
    companion_configs,
    convolves,
    kernel_configs,
)
from immabench.measure.companion_cases import chosen_case
from immabench.measure.plan import kernel_problem
from immabench.problems import Problem
from immabench.profile import load_sass_facts

DOCUMENT = Path(__file__).parents[1] / "docs" / "kernels.md"

GROUP = 128
"""Elements of K in a group of weights, which the depths here are multiples of."""

TAPS = 3
"""Of the filters that convolutions are counted with, in a row: every pixel but the first and the last is met by all."""

MATRIX = (64, 1024)
"""Rows and columns that the kernels around a GEMM are counted on."""

WINDOWS, GLOBAL_WINDOWS = "1x112x112x64_f3_s2_p1", "1x7x7x512_f7"
"""Images and windows that pooling is counted on: a thread a window, and a block."""
ATTENTION = (1, 2, 256, 384)
"""Batch, heads, queries and keys that attention is counted on: whole tiles of every configuration."""

SHARED = ("ldmatrix", "shared_load", "shared_store", "wgmma_operands")
LOADED, STORED = ("global_load", "async_copy", "bulk_load"), ("global_store", "bulk_store")
HEADS = (
    "configuration",
    "emulated on",
    "wavefronts",
    "sectors read",
    "sectors written",
    "registers",
    "spills",
    "main loop",
    "instructions a weight",
)
MATRIX_HEADS = HEADS[:7]
MATRIX_ARCH = "sm_80"
LANES, WARPGROUP = 32, 128
"""Threads that multiply a warp tile together, by mma.sync and by wgmma."""


def problem_of(config: KernelConfig) -> Problem:
    """Four whole tiles, at least four steps deep; scales, bias and f16 outputs."""
    m, n, k = config.block_tile
    depth = -(-max(4 * k * config.split_k, 2 * GROUP) // GROUP) * GROUP
    image = f"1x1x{2 * m + TAPS - 1}x{depth}_f1x{TAPS}_n{2 * n}"
    return kernel_problem(config, image if convolves(config) else f"{2 * m}x{2 * n}x{depth}", "f16")


def ratio(counts: dict[str, Any], names: Iterable[str], unit: str) -> str:
    """What was used over the ideal, of all operations of `names` together."""
    used, ideal = (sum(counts[name].get(key, 0) for name in names) for key in (unit, "ideal"))
    return f"{used / ideal:.2f}x" if ideal else "none"


def instructions_a_weight(config: KernelConfig, loop: dict[str, Any]) -> float:
    """Instructions of the main loop but its matrix multiplies, for each weight that a lane of a warp(group) brings."""
    m, n, k = map(int, config.mma.removeprefix("m").replace("n", " ").replace("k", " ").split())
    warp_m, warp_n = config.warp_tile
    rows, columns = (warp_n, warp_m) if config.swapped else (warp_m, warp_n)
    multiplies = sum(loop["mma"].values())
    depth = multiplies * k / (rows / m * (columns / n))
    threads = WARPGROUP if config.by_wgmma else LANES
    return (loop["instructions"] - multiplies) / (warp_n * depth / threads)


def line(config: KernelConfig, fact: dict[str, Any] | None) -> tuple[str, ...]:
    """One line of a table."""
    problem = problem_of(config)
    counts = emulated_counts(config.id, problem)
    return (
        f"`{config.id}`",
        f"{problem.conv}, {problem.n} filters" if problem.conv else problem.shape,
        ratio(counts, SHARED, "wavefronts"),
        ratio(counts, LOADED, "sectors"),
        ratio(counts, STORED, "sectors"),
        *code_cells(config, fact),
    )


def code_cells(config: KernelConfig, fact: dict[str, Any] | None) -> list[str]:
    """What the machine code says; empty where this build has none."""
    if fact is None or not fact["main_loop"]:
        return [""] * 4
    loop = fact["main_loop"]
    multiplies = ", ".join(f"{count} x {opcode}" for opcode, count in loop["mma"].items())
    return [
        str(fact["registers"]),
        str(fact["spills"]),
        multiplies,
        f"{instructions_a_weight(config, loop):.2f}",
    ]


def table() -> str:
    """All tables in Markdown, a family each."""
    facts = {
        (fact["kernel_id"], fact["arch"]): fact for fact in load_sass_facts()["kernels"] if fact["variant"] == "aligned"
    }
    parts = []
    for (family, arch), configs in groupby(kernel_configs(), key=lambda config: (config.family, code_of(config))):
        lines = [line(config, facts.get((config.id, arch))) for config in configs]
        parts.append(f"### {family}, code of {arch}\n\n{markdown_table(HEADS, lines)}")
    lines = [matrix_line(config, facts_of(config)) for config in companion_configs()]
    parts.append(f"### Around a GEMM, code of {MATRIX_ARCH}\n\n{markdown_table(MATRIX_HEADS, lines)}")
    return "\n\n".join(parts)


def facts_of(config: CompanionConfig) -> list[dict[str, Any]]:
    """Those of every variant with vectors, by its types."""
    kernels = load_sass_facts()["kernels"]
    return [fact for fact in kernels if (fact["kernel_id"], fact["arch"]) == (config.id, MATRIX_ARCH)]


def shape_of(config: CompanionConfig) -> CompanionShape:
    """What a kernel around a GEMM is counted on."""
    if config.block_tile is not None:
        return (*ATTENTION, config.block_tile[2])
    if config.window_threads is None:
        return MATRIX
    return parse_convolution(WINDOWS if config.window_threads == 1 else GLOBAL_WINDOWS)


def matrix_line(config: CompanionConfig, facts: list[dict[str, Any]]) -> tuple[str, ...]:
    """One line of the kernels around a GEMM."""
    case = chosen_case(config, shape_of(config), {})
    emulation = case.emulate("forward", 0)
    if wrong := case.difference() or emulation.describe_hazards():
        raise SystemExit(f"{config.id}: {wrong}")
    counts = emulation.counts
    registers = [fact["registers"] for fact in facts]
    return (
        f"`{config.id}`",
        f"{'x'.join(map(str, case.shape))}, {case.types}",
        ratio(counts, SHARED, "wavefronts"),
        ratio(counts, LOADED, "sectors"),
        ratio(counts, STORED, "sectors"),
        f"{min(registers)} to {max(registers)}" if registers else "",
        str(sum(fact["spills"] for fact in facts)),
    )


def code_of(config: KernelConfig) -> str:
    """The architecture whose code is shown: the first that a configuration is compiled for."""
    return config.architectures[0]


if __name__ == "__main__":
    print_or_write(__doc__, table, DOCUMENT, "kernels")
