"""Write docs/kernels.md: what every configuration of every kernel moves, emulated, and what its machine code spends.

    python bench/kernel_table.py            print the tables
    python bench/kernel_table.py --write    put them into the document, between its markers

Needs a build with CUDA for the machine code; no GPU. Emulated figures are counts, not times.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.plan import kernel_problem
from immabench.measure.trial import Trial
from immabench.problems import Problem
from immabench.profile import load_sass_facts
from immabench.providers.handwritten import HandwrittenProvider

DOCUMENT = Path(__file__).parents[1] / "docs" / "kernels.md"
BEGIN, END = "<!-- kernels: begin -->", "<!-- kernels: end -->"

GROUP = 128
"""Elements of K in a group of weights, which the depths here are multiples of."""

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
LANES = 32


def problem_of(config: KernelConfig) -> Problem:
    """Four whole tiles, at least four steps deep; scales, bias and f16 outputs."""
    m, n, k = config.block_tile
    depth = max(4 * k * config.split_k, 2 * GROUP)
    return kernel_problem(config, (2 * m, 2 * n, -(-depth // GROUP) * GROUP), "f16")


def emulate(config: KernelConfig, problem: Problem) -> dict[str, Any]:
    """The counters of one emulated launch. Exits with what is wrong where the result is."""
    trial = Trial(HandwrittenProvider(), problem, config.id, "emulated", seed=0)
    trial.launch()
    if wrong := trial.judge():
        raise SystemExit(f"{config.id}: {wrong}")
    emulation = trial.launchable.emulation
    assert emulation is not None
    return emulation.counts


def ratio(counts: dict[str, Any], names: Iterable[str], unit: str) -> str:
    """What was used over the ideal, of all operations of `names` together."""
    used, ideal = (sum(counts[name].get(key, 0) for name in names) for key in (unit, "ideal"))
    return f"{used / ideal:.2f}x" if ideal else "none"


def instructions_a_weight(config: KernelConfig, loop: dict[str, Any]) -> float:
    """Instructions of the main loop but its matrix multiplies, for each weight that a thread's warp (group) brings."""
    (warp_m, warp_n), multiplies = config.warp_tile, sum(loop["mma"].values())
    m, n, k = map(int, config.mma.removeprefix("m").replace("n", " ").replace("k", " ").split())
    if config.mma.startswith("m64"):
        rows, columns, threads = (warp_n, warp_m, 128) if config.swapped else (warp_m, warp_n, 128)
        depth = multiplies * k / (rows / m * (columns / n))
    else:
        threads = LANES
        depth = multiplies * k / (warp_m / m * (warp_n / n))
    weights = warp_n * depth / threads
    return (loop["instructions"] - multiplies) / weights


def line(config: KernelConfig, fact: dict[str, Any] | None) -> str:
    """One line of a table."""
    problem = problem_of(config)
    counts = emulate(config, problem)
    cells = [
        f"`{config.id}`",
        problem.shape,
        ratio(counts, SHARED, "wavefronts"),
        ratio(counts, LOADED, "sectors"),
        ratio(counts, STORED, "sectors"),
        *code_cells(config, fact),
    ]
    return f"| {' | '.join(cells)} |"


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
        head = [f"### {family}, code of {arch}", "", f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
        parts.append("\n".join([*head, *lines]))
    return "\n\n".join(parts)


def code_of(config: KernelConfig) -> str:
    """The architecture whose code is shown: the first that a configuration is compiled for."""
    return config.architectures[0]


def main(arguments: list[str]) -> None:
    """Print the tables, or write them into the document."""
    if arguments not in ([], ["--write"]):
        raise SystemExit(__doc__)
    if not arguments:
        print(table())
        return
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
