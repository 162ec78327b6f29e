"""Numbers as people read them: three significant digits, grouped thousands, a unit chosen once for a whole column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NOTHING = "–"


def number(value: float | int | None, digits: int = 3) -> str:
    """A number with ``digits`` significant digits and grouped thousands; a dash for None, NaN and infinities."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if isinstance(value, int) or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{min(decimals, 6)}f}"


def ratio(value: float | None) -> str:
    """A ratio as ``1.00×``: two decimals, so that a column of them can be scanned, more only below a tenth."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.2f}×" if value >= 0.1 else f"{number(value, 2)}×"


def percent(value: float | None) -> str:
    return NOTHING if value is None or not math.isfinite(value) else f"{number(value)} %"


def duration(microseconds: float | None) -> str:
    """A time with the unit that suits it alone: ns, µs, ms or s."""
    if microseconds is None or not math.isfinite(microseconds):
        return NOTHING
    for factor, unit in ((1e6, "s"), (1e3, "ms"), (1.0, "µs")):
        if abs(microseconds) >= factor:
            return f"{number(microseconds / factor)} {unit}"
    return f"{number(microseconds * 1e3)} ns"


def data_size(nbytes: float | None) -> str:
    if nbytes is None:
        return NOTHING
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if nbytes >= factor:
            return f"{number(nbytes / factor)} {unit}"
    return f"{nbytes:,.0f} B"


def plural(count: int, noun: str, many: str = "") -> str:
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def join(words: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def shape_text(shape: Sequence[int]) -> str:
    """M×N×K; of a batch its size in front."""
    return "×".join(str(size) for size in shape)


@dataclass(frozen=True)
class RateUnit:
    """The unit of an axis or column of rates stored in 1e12 operations/s."""

    name: str
    factor: float

    def of(self, tops: float | None) -> float | None:
        return None if tops is None else tops * self.factor

    def text(self, tops: float | None) -> str:
        return NOTHING if tops is None else f"{number(tops * self.factor)} {self.name}"


def rate_unit(values: Iterable[float | None]) -> RateUnit:
    """Gop/s where all stays below 2e12 operations/s, Top/s above. One multiply-accumulate is two operations."""
    largest = max((value for value in values if value is not None), default=0.0)
    return RateUnit("Top/s", 1.0) if largest >= 2.0 else RateUnit("Gop/s", 1e3)
