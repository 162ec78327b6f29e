"""What the compiler made of each kernel, read from SASS at build time: facts of an installation, not of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from immabench.errors import ImmabenchError
from immabench.readable import number
from immabench.report.tables import Cell, Column, Table, text, value

COLUMNS = [
    Column("kernel", "code"),
    Column("variant", "text", choose=True, hint="aligned: 16-byte copies; ragged: any M, N, K"),
    Column("architecture", "text", choose=True),
    Column("registers", unit="a thread"),
    Column("shared memory", unit="KiB a block"),
    Column("spills", unit="stores", hint="instructions that store a register to local memory"),
    Column("matrix instruction", "code", hint="mnemonics with their count in the kernel"),
    Column("main loop", unit="% MMA", hint="share of matrix instructions among those of the main loop"),
    Column("resident blocks", unit="an SM"),
    Column("limited by", "text", choose=True),
]


@dataclass(frozen=True)
class SassReport:
    table: Table
    note: str  # why there are no facts and what to do about it; "" when there are some
    facts: list[dict[str, Any]]


def sass_report() -> SassReport:
    """The table of compiled kernels, or the reason why there is none."""
    from immabench.profile import load_sass_facts

    try:
        kernels = load_sass_facts()["kernels"]
    except ImmabenchError as error:
        note = f"{error.message[:1].upper()}{error.message[1:]}. Remedy: {error.remedy}."
        return SassReport(sass_table([]), note, [])
    return SassReport(sass_table(kernels), "", kernels)


def sass_table(kernels: list[dict[str, Any]]) -> Table:
    """One line a kernel, variant and architecture."""
    table = Table("sass", COLUMNS, empty="No SASS facts in this installation.")
    for fact in kernels:
        table.add(*_cells(fact))
    table.note = (
        "Read from the machine code of this installation. Registers and shared memory decide how many blocks a "
        "multiprocessor holds at once; the limiting resource is named. Nothing here depends on a GPU being present."
    )
    return table


def _cells(fact: dict[str, Any]) -> list[Cell]:
    shared = int(fact["static_shared_bytes"]) + int(fact["dynamic_shared_bytes"])
    share, occupancy = _mma_share(fact), fact["occupancy"]
    blocks, warps = occupancy["blocks_per_sm"], occupancy["warps_per_sm"]
    return [
        text(fact["kernel_id"]),
        text(fact["variant"]),
        text(fact["arch"]),
        value(number(fact["registers"]), fact["registers"]),
        value(number(shared / 1024), shared),
        value(number(fact["spills"]), fact["spills"], tone="bad" if fact["spills"] else "good"),
        text(", ".join(f"{name} ×{count}" for name, count in fact["mma"].items())),
        value(number(share and 100 * share), share and 100 * share, share=share),
        value(number(blocks), blocks, hint=f"{warps} warps"),
        text(occupancy["limited_by"]),
    ]


def _mma_share(fact: dict[str, Any]) -> float | None:
    loop = fact.get("main_loop")
    return sum(loop["mma"].values()) / loop["instructions"] if loop and loop["instructions"] else None
