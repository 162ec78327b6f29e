"""What executing the kernel source on the CPU showed: exactness, hazards, work and transactions. Never a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from immabench.measure.transactions import Against, by_operation, total
from immabench.problems import TYPE_BITS
from immabench.profile.actions import SECTOR_BYTES
from immabench.readable import NOTHING, data_size, number, plural, ratio, shape_text
from immabench.report.keys import row_key
from immabench.report.tables import Cell, Column, Table, first_rows, text, value

if TYPE_CHECKING:
    from immabench.measure.rows import Row

MMA_MACS = 16 * 8 * 32  # of mma.sync.m16n8k32, the one instruction of rows that do not count multiply-accumulates


@dataclass(frozen=True)
class Emulated:
    """The facts of one emulated row."""

    row: Row
    instructions: int  # matrix instructions, of warps (mma.sync) or warpgroups (wgmma)
    macs: int  # multiply-accumulates in them, padding included
    barriers: int
    wavefronts: Against
    sectors: Against
    compulsory_bytes: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.row.sizes

    @property
    def multiplies(self) -> bool:
        """Whether it is a product, and no packing of weights for one."""
        return self.row.step == "compute"

    @property
    def useful_macs(self) -> int:
        """Multiply-accumulates of the problem; the rest of those issued multiplies padding of partial tiles."""
        return prod(self.shape) if self.multiplies else 0

    @property
    def useful_share(self) -> float | None:
        return self.useful_macs / self.macs if self.macs else None

    @property
    def traffic_bytes(self) -> int:
        return int(self.sectors.actual) * SECTOR_BYTES

    @property
    def traffic_ratio(self) -> float | None:
        """Bytes the blocks ask of L2, over the compulsory bytes: how often each operand is read again."""
        return self.traffic_bytes / self.compulsory_bytes if self.compulsory_bytes else None

    @property
    def exact(self) -> bool:
        return bool(self.row.verified) and self.row.status == "ok"


def emulated(rows: Iterable[Row]) -> list[Emulated]:
    """Rows that ran on the emulated machine and carry counts."""
    return [_facts(row) for row in rows if row.device_kind == "emulated" and row.counts]


def _facts(row: Row) -> Emulated:
    counts: dict[str, Any] = dict(row.counts or {})
    return Emulated(
        row=row,
        instructions=int(counts.get("mma", 0)) + int(counts.get("wgmma", 0)),
        macs=int(counts.get("macs", MMA_MACS * int(counts.get("mma", 0)))),
        barriers=int(counts.get("barriers", 0)),
        wavefronts=total(by_operation(counts, "wavefronts").values()),
        sectors=total(by_operation(counts, "sectors").values()),
        compulsory_bytes=_compulsory_bytes(row),
    )


def _compulsory_bytes(row: Row) -> float:
    """Of a product its operands and its output, once each; of a packing of weights their codes, read and written."""
    if row.step == "pack":
        return 2 * row.n * row.k * TYPE_BITS[row.b_type] / 8
    return 2.0 * prod(row.sizes) / row.flops_per_byte if row.flops_per_byte else 0.0


def kernel_table(facts: list[Emulated]) -> Table:
    """One line a kernel over all its emulated shapes: the worst case of everything that should be ideal."""
    columns = [
        Column("kernel", "code"),
        Column("shapes"),
        Column("exact", "status", hint="bit for bit equal to the oracle"),
        Column("hazards", hint="races, reads in flight, out of bounds, divergence, deadlocks"),
        Column("worst wavefronts", unit="× ideal", hint="shared memory, wgmma included: 1.00 is conflict-free"),
        Column("worst sectors", unit="× ideal", hint="global memory, 32-byte sectors: 1.00 is fully coalesced"),
        Column("useful MMA", unit="%", hint="M·N·K over the multiply-accumulates issued, all shapes together"),
        Column("L2 traffic", unit="× compulsory", hint="bytes the blocks ask for over bytes that must move once"),
    ]
    table = Table("kernels", columns, empty="No row of this run was emulated.", parts="emulation")
    for kernel in dict.fromkeys(one.row.kernel_id for one in facts):
        table.add(*_kernel_cells(kernel, [one for one in facts if one.row.kernel_id == kernel]))
    return table


def _kernel_cells(kernel: str, of: list[Emulated]) -> list[Cell]:
    exact = sum(one.exact for one in of)
    hazards = sum(one.row.hazards or 0 for one in of)
    useful = _share(sum(one.useful_macs for one in of), sum(one.macs for one in of))
    traffic = _share(sum(one.traffic_bytes for one in of), sum(one.compulsory_bytes for one in of))
    return [
        text(kernel),
        value(number(len(of)), len(of)),
        value(f"{exact} of {len(of)}", exact / len(of), tone="good" if exact == len(of) else "bad"),
        value(number(hazards), hazards, tone="good" if hazards == 0 else "bad"),
        ideal_cell(max((one.wavefronts.ratio or 0.0 for one in of), default=0.0) or None),
        ideal_cell(max((one.sectors.ratio or 0.0 for one in of), default=0.0) or None),
        value(number(useful and 100 * useful), useful and 100 * useful, share=useful),
        value(number(traffic), traffic),
    ]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def ideal_cell(found: float | None) -> Cell:
    """A ratio that is 1.00 when nothing is wasted."""
    tone = "" if found is None else "good" if found < 1.005 else "bad" if found >= 1.5 else ""
    return value(ratio(found), found, tone=tone)


def shape_table(facts: list[Emulated]) -> Table:
    """Every emulated row with its counts."""
    columns = [
        Column("suite", "text", choose=True, drop=True),
        Column("case", "text"),
        Column("M×N×K", "text"),
        Column("output", "text", choose=True, drop=True),
        Column("kernel", "code", choose=True),
        Column("exact", "status", choose=True),
        Column("hazards"),
        Column("MMA", unit="instructions"),
        Column("useful MMA", unit="%"),
        Column("wavefronts", unit="× ideal"),
        Column("sectors", unit="× ideal"),
        Column("L2 traffic", unit="bytes"),
        Column("L2 traffic", unit="× compulsory"),
        Column("barriers", hint="block-wide, summed over blocks"),
    ]
    table = Table("emulation", columns, empty="No row of this run was emulated.")
    note = (
        "Counted while the kernel source ran on the CPU. Ideal is the fewest wavefronts or sectors that could move the "
        "same bytes. Useful is M·N·K, of a batch of all products, over the multiply-accumulates issued. Emulated rows "
        "have no time, on purpose."
    )
    shown, table.note = first_rows(facts, note)
    for one in shown:
        table.add(*_shape_cells(one), key=row_key(one.row))
    return table


def _shape_cells(one: Emulated) -> list[Cell]:
    row, useful = one.row, one.useful_share
    return [
        text(row.suite or NOTHING),
        text(row.case or NOTHING),
        value(shape_text(one.shape), one.useful_macs),
        text(row.output_type),
        text(row.kernel_id),
        text("exact" if one.exact else row.status, tone="good" if one.exact else "bad", hint=row.reason),
        value(number(row.hazards), row.hazards, tone="bad" if row.hazards else ""),
        value(number(one.instructions), one.instructions),
        value(number(useful and 100 * useful), useful and 100 * useful, share=useful),
        ideal_cell(one.wavefronts.ratio),
        ideal_cell(one.sectors.ratio),
        value(data_size(one.traffic_bytes), one.traffic_bytes),
        value(number(one.traffic_ratio), one.traffic_ratio),
        value(number(one.barriers), one.barriers),
    ]


def best_kernel(facts: Iterable[Emulated]) -> Emulated | None:
    """The row to look into line by line: of the largest shape, the kernel that wastes least.

    Only rows that are exact and free of hazards; least waste is fewest issued products, then least L2 traffic. This
    ranks counts; it is no claim about time.
    """
    sound = [one for one in facts if one.exact and not one.row.hazards and one.multiplies]
    largest = max((one.useful_macs for one in sound), default=0)
    same = [one for one in sound if one.useful_macs == largest]
    return min(same, key=lambda one: (one.macs, one.traffic_bytes), default=None)


def best_choice(facts: list[Emulated], best: Emulated | None) -> str:
    """A sentence on which kernel the line counts are shown for, and why."""
    if best is None:
        return "No emulated row was exact and free of hazards, so none is shown line by line."
    others = plural(
        len({one.row.kernel_id for one in facts if one.shape == best.shape and one.multiplies}), "emulated kernel"
    )
    return (
        f"`{best.row.kernel_id}` at {shape_text(best.shape)}, the largest emulated shape: of {others} on it the one "
        "that issues the fewest products and, among those, the least L2 traffic. A ranking of counts, not of time."
    )
