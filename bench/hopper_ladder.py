"""Write the table of docs/hopper-ladder.md: what each step of the wgmma kernel costs, emulated and in machine code.

    python bench/hopper_ladder.py            print it
    python bench/hopper_ladder.py --write    put it into the document, between its markers

Needs a build with CUDA for the machine code; no GPU. Emulated figures are counts, not times.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tables import emulated_counts, markdown_table, print_or_write

from immabench.problems import Problem
from immabench.profile import load_sass_facts

DOCUMENT = Path(__file__).parents[1] / "docs" / "hopper-ladder.md"

LARGE, SMALL = Problem(768, 768, 1024, output_type="f16"), Problem(16, 768, 1024, output_type="f16")


@dataclass(frozen=True)
class Step:
    """A rung: its number in the text, the configuration that shows it, and the problem it is counted on."""

    number: int
    kernel_id: str
    problem: Problem = LARGE


STEPS = (
    Step(1, "wgmma_s8s8s32_64x128x128_w1_s8_sm90a"),
    Step(2, "wgmma_s8s8s32_128x128x128_w2_s6_sm90a"),
    Step(3, "wgmma_s8s8s32_128x256x128_w2_s4_sm90a"),
    Step(4, "wgmma_s8s8s32_128x256x128_w2_c2x1_s4_sm90a"),
    Step(5, "wgmma_s8s8s32_192x192x128_w3_s3_sm90a"),
    Step(6, "wgmma_s8s8s32_128x128x128_w2_k2_s6_sm90a"),
    Step(7, "wgmma_s8s8s32_16x128x128_w2_k4_s10_swap_sm90a", SMALL),
)


def line(step: Step, fact: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    counts, kmacs = emulated_counts(step.kernel_id, step.problem), step.problem.macs / 1000
    operands, loop = counts["wgmma_operands"], fact["main_loop"]
    opcode, multiplies = next(iter(loop["mma"].items()))
    return (
        str(step.number),
        f"`{step.kernel_id}`",
        step.problem.shape,
        f"{counts['bulk_load']['bytes'] / kmacs:.1f}",
        f"{operands['wavefronts'] / kmacs:.2f} ({operands['wavefronts'] / operands['ideal']:.2f}x)",
        f"{fact['registers']}",
        f"{fact['spills']}",
        f"{multiplies} x {opcode}",
        f"{loop['instructions'] / multiplies:.0f}",
    )


def table() -> str:
    """The whole table in Markdown."""
    facts = {
        fact["kernel_id"]: fact
        for fact in load_sass_facts()["kernels"]
        if fact["arch"] == "sm_90a" and fact["variant"] == "aligned"
    }
    heads = (
        "step",
        "configuration",
        "emulated on",
        "bytes from L2 / 1000 MAC",
        "operand wavefronts / 1000 MAC (x ideal)",
        "registers",
        "spills",
        "main loop",
        "instructions / multiply",
    )
    return markdown_table(heads, [line(step, facts[step.kernel_id]) for step in STEPS])


if __name__ == "__main__":
    print_or_write(__doc__, table, DOCUMENT, "ladder")
