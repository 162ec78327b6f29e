"""How much of its measured roof each series reaches, case by case, and which part of the roof is above it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

from immabench.report.pictures import left_out
from immabench.report.speed import Timing

if TYPE_CHECKING:
    from immabench.report.palette import Series
    from immabench.report.roofline import Roofline

MOST_CASES = 40
"""Cases of one chart, those with most work; every one is in the table."""


@dataclass(frozen=True)
class Share:
    """The best timing of a series for a case: percent of min(peak, intensity x bandwidth), and which of them it is."""

    timing: Timing
    pct_roof: float
    bound: Literal["memory", "compute"]

    @property
    def series(self) -> Series:
        return self.timing.series

    @property
    def case(self) -> tuple[str, str, tuple[int, ...]]:
        return self.timing.row.suite, self.timing.row.case, self.timing.shape


def shares(found: Iterable[Timing], roof: Roofline) -> list[Share]:
    """Shares on the device of a roof, the case that comes closest to its roof first; none where no roof was measured.

    The oracle's provider takes no part: it computes exactly, not quickly.
    """
    known = [_share(one, one.row.pct_roof, roof) for one in found if _on(one, roof) and one.row.pct_roof is not None]
    best: dict[object, float] = {}
    for one in known:
        best[one.case] = max(best.get(one.case, 0.0), one.pct_roof)
    return sorted(known, key=lambda one: (-best[one.case], -one.pct_roof))


def most_work(found: list[Share]) -> tuple[list[Share], str]:
    """Shares of the cases with most work, in their order, and what that leaves out."""
    cases = sorted(dict.fromkeys(one.case for one in found), key=lambda case: prod(case[2]), reverse=True)
    shown = set(cases[:MOST_CASES])
    return [one for one in found if one.case in shown], left_out(len(cases), len(shown), "cases with most work")


def share_range(shares: list[Share]) -> tuple[float, float]:
    """From nothing to the roof, or to the highest share above it."""
    return 0.0, 1.05 * max(100.0, *(one.pct_roof for one in shares))


def _on(one: Timing, roof: Roofline) -> bool:
    here = (one.row.device_kind, one.row.device) == (roof.device_kind, roof.device)
    return here and one.series.provider != "reference"


def _share(one: Timing, pct_roof: float, roof: Roofline) -> Share:
    knee = roof.knee(roof.peak_of(one.row.a_type))
    return Share(one, pct_roof, "memory" if one.row.flops_per_byte < knee else "compute")
