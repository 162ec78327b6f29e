"""A number, or a text, that stands where its own sources give another one."""

from __future__ import annotations

import math
from dataclasses import dataclass

Value = float | int | str | bool | None

RELATIVE_TOLERANCE = 1e-6  # covers the rounding of printed floats, nothing else


@dataclass(frozen=True)
class Drift:
    """What `file` shows at `field` of `place`, a row or a cell, beside what its sources give there."""

    file: str
    place: str
    field: str
    stored: Value
    recomputed: Value
    sources: str = "rows"

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.place, self.field))).replace(", [", "[")
        return f"{self.file}: {where}: shows {_shown(self.stored)}, {self.sources} give {_shown(self.recomputed)}"

    @property
    def differs(self) -> bool:
        return not same(self.stored, self.recomputed)


def same(stored: Value, source: Value) -> bool:
    """Equal, numbers up to `RELATIVE_TOLERANCE`; a text that is a number counts as that."""
    if stored == source:
        return isinstance(stored, bool) == isinstance(source, bool)
    one, other = _number(stored), _number(source)
    return one is not None and other is not None and math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)


def _number(value: Value) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _shown(value: Value) -> str:
    return "nothing" if value is None or value == "" else str(value)
