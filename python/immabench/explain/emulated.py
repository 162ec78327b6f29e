"""What the emulated machine counted of the kernels of a run, beside the rows that were timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from immabench.measure.transactions import OPERATIONS, Against, Unit, by_operation, total, worst_line

if TYPE_CHECKING:
    from immabench.measure.rows import Row

Whole = Callable[[Iterable["Row"]], Iterable["Row"]]
"""Rows with their counts by source line, of rows that came without."""


@dataclass(frozen=True)
class EmulatedCounts:
    """Counts of one kernel on one problem; `worst` gives the source line that wastes most of a unit, where known."""

    counts: Mapping[str, Any]
    worst: Callable[[Unit], Mapping[str, Any] | None]

    def by_operation(self, unit: Unit) -> dict[str, Against]:
        """Transactions beside the ideal ones."""
        return by_operation(self.counts, unit)


class EmulatedRows:
    """The emulated rows of a run that passed, to be found by kernel and problem whatever the device.

    Rows may come without their lines, which are most of a large run: those of wasteful rows are then read by `whole`,
    all at once and only when asked for.
    """

    def __init__(self, rows: Iterable[Row] = (), whole: Whole | None = None) -> None:
        self._rows = {_launch(row): row for row in rows if _passed(row)}
        self._whole = whole or list

    def of(self, row: Row) -> EmulatedCounts | None:
        """Counts of the kernel of `row` on its problem; None where the run has none."""
        found = self._rows.get(_launch(row))
        if found is None or found.counts is None:
            return None
        return EmulatedCounts(found.counts, partial(self._worst, _launch(row)))

    def _worst(self, launch: str, unit: Unit) -> Mapping[str, Any] | None:
        return self._lines.get((launch, unit))

    @cached_property
    def _lines(self) -> dict[tuple[str, Unit], Mapping[str, Any]]:
        """The worst source line of every row and unit with waste."""
        wasteful = [row for row in self._rows.values() if any(_excess(row, unit) for unit in OPERATIONS)]
        found: dict[tuple[str, Unit], Mapping[str, Any]] = {}
        for row in self._whole(wasteful):
            for unit in OPERATIONS:
                line = worst_line(row.counts or {}, unit)
                found |= {(_launch(row), unit): line} if line else {}
        return found


def _passed(row: Row) -> bool:
    return row.device_kind == "emulated" and row.status == "ok" and bool(row.counts)


def _launch(row: Row) -> str:
    """Kernel and problem: the id of a row without its device."""
    return row.row_id.rpartition("@")[0]


def _excess(row: Row, unit: Unit) -> float:
    return total(by_operation(row.counts or {}, unit).values()).excess
