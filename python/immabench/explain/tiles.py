"""Causes of lost time in how a problem is divided: padding of tiles, and waves of blocks that are not full."""

from __future__ import annotations

from immabench.explain.case import Case
from immabench.explain.cause import Cause, Evidence

MULTIPLYING = ("tensor cores", "unpacking", "shared memory")
"""Terms that padding costs as much as what it pads."""


def n_wastes_a_tile(case: Case) -> Cause | None:
    """Columns of the last tiles are padding."""
    return _padding(case, "N", case.problem.n, 1)


def m_wastes_a_tile(case: Case) -> Cause | None:
    """Rows of the last tiles are padding."""
    return _padding(case, "M", case.problem.m, 0)


def _padding(case: Case, letter: str, size: int, axis: int) -> Cause | None:
    work = case.work
    if work is None:
        return None
    tile, count = work.config.block_tile[axis], work.tiles[axis]
    used = size / (tile * count)
    if used == 1:
        return None
    multiplying = max(case.term_us(name) for name in MULTIPLYING)
    evidence = (
        Evidence("arithmetic", f"{letter} = {size} fills {used:.0%} of {count} tiles of {tile}"),
        Evidence("predicted", f"whole tiles are multiplied, padding too: {multiplying:.3g} us"),
    )
    lost = case.share((1 - used) * multiplying)
    return Cause(f"{letter} wastes a tile", lost, evidence, case.better(f"try a tile with fewer of {letter}"))


def waves_quantised(case: Case) -> Cause | None:
    """The blocks do not fill whole waves: some multiprocessors have less to do, or nothing."""
    work, last = case.work, case.term_us("last wave")
    if work is None or last <= 0:
        return None
    busy = work.load / work.blocks_each
    text = (
        f"{work.blocks} blocks over {work.multiprocessors} multiprocessors: {work.load:.2f} on average, "
        f"{work.blocks_each} on the busiest, {busy:.0%} of the room"
    )
    evidence = (Evidence("arithmetic", text), Evidence("predicted", f"the last wave takes {last:.3g} us more"))
    return Cause("waves quantised", case.share(last), evidence, case.better("try split K, stream-K or another tile"))
