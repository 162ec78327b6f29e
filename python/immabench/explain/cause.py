"""A reason why a row is below its roof: what it costs, what shows it, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EvidenceKind = Literal["measured", "profiled", "emulated", "compiled", "predicted", "published", "arithmetic"]
"""Where a statement comes from: `emulated` are counts, `compiled` is machine code, `arithmetic` the shape's own."""


@dataclass(frozen=True)
class Evidence:
    """One statement with its numbers, and where it comes from."""

    kind: EvidenceKind
    text: str


@dataclass(frozen=True)
class Cause:
    """Why time is lost. `lost` is the share of the row's time, 0 to 1, as far as the evidence tells; None: unknown.

    Shares of different causes may overlap: what two of them cost together is not their sum. A `decisive` cause is to be
    seen to before any other: while it stands, the others mean little. One that is `of_roof` says why the roof is below
    the peak, not why the row is below its roof.
    """

    name: str
    lost: float | None
    evidence: tuple[Evidence, ...]
    advice: str
    decisive: bool = False
    of_roof: bool = False
