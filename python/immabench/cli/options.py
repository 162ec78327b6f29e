"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
WithOption = Annotated[
    list[str],
    typer.Option(
        "--with",
        metavar="KEY=VALUE",
        help="A further field of the problem, named as in suites: b_type=s4, b_group=128, activation=gelu; repeatable.",
    ),
]
OutputTypeOption = Annotated[
    str, typer.Option("--output-type", help="Of --shape: s32, or s8, f32, f16, bf16 with scales and bias.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the operands, and of a random order.")]
CaseOption = Annotated[
    list[str], typer.Option("--case", metavar="GLOB", help="Only cases whose name matches; repeatable.")
]
KernelOfRunOption = Annotated[
    list[str], typer.Option("--kernel", metavar="GLOB", help="Only these kernels of RUN; repeatable.")
]
EmulateBudgetOption = Annotated[
    float, typer.Option("--emulate-budget", min=0, help="Largest emulated case, 1e9 multiply-accumulates.")
]
GpuOption = Annotated[str | None, typer.Option("--gpu", help="A GPU of the table; else the one here, else an H200.")]
ThresholdOption = Annotated[str, typer.Option("--threshold", help="Ratios closer to 1 than this are the same.")]
OutRunOption = Annotated[Path | None, typer.Option("--out", help="The run folder; a new one in runs/ by default.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a run that --out already holds.")]
