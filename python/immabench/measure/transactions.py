"""Transactions that a kernel asked for on the emulated machine, beside the fewest that could move the same bytes.

Read from the counts of a row; docs/methodology.md says how they are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["sectors", "wavefronts"]
"""Of 32 bytes in global memory; of up to 128 bytes in shared memory."""

OPERATIONS: dict[Unit, tuple[str, ...]] = {
    "sectors": ("global_load", "global_store", "global_atomic", "async_copy", "bulk_load", "bulk_store"),
    "wavefronts": ("ldmatrix", "shared_load", "shared_store", "wgmma_operands", "async_copy"),
}
"""What moves bytes by each unit; an asynchronous copy reads sectors and writes wavefronts."""


@dataclass(frozen=True)
class Against:
    """A count beside the smallest count that could move the same bytes."""

    actual: float
    ideal: float

    @property
    def ratio(self) -> float | None:
        """How many times the ideal; None where nothing moves."""
        return self.actual / self.ideal if self.ideal else None

    @property
    def excess(self) -> float:
        """What a better kernel would not ask for."""
        return self.actual - self.ideal


def by_operation(counts: Mapping[str, Any], unit: Unit) -> dict[str, Against]:
    """Of every operation that moves bytes by `unit`, of the counts of a row."""
    return {name: _of(counts.get(name) or {}, unit) for name in OPERATIONS[unit]}


def _of(count: Mapping[str, Any], unit: Unit) -> Against:
    both = unit == "wavefronts" and "ideal_wavefronts" in count
    return Against(int(count.get(unit, 0)), int(count.get("ideal_wavefronts" if both else "ideal", 0)))


def total(of: Iterable[Against]) -> Against:
    """All of them together."""
    known = list(of)
    return Against(sum(one.actual for one in known), sum(one.ideal for one in known))


def worst_line(counts: Mapping[str, Any], unit: Unit) -> dict[str, Any] | None:
    """The entry of the source line with most in excess; None where no line has any, or none was kept."""
    wasteful = [line for line in counts.get("lines") or [] if line["unit"] == unit and line["units"] > line["ideal"]]
    return max(wasteful, key=lambda line: line["units"] - line["ideal"], default=None)


def place_of(line: Mapping[str, Any]) -> str:
    """FILE:LINE of an entry."""
    return f"{short_path(str(line['file']))}:{line['line']}"


def short_path(path: str) -> str:
    """The path from the last ``kernels`` folder on: builds put different prefixes before it."""
    parts = path.replace("\\", "/").split("/")
    return "/".join(parts[len(parts) - parts[::-1].index("kernels") :]) if "kernels" in parts else parts[-1]
