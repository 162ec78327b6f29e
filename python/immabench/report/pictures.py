"""What charts and plots say alike: ticks of logarithmic axes, and what a picture leaves out."""

from __future__ import annotations

import math


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2, 5 a decade where the axis is short, decades alone where it is long."""
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def tick_text(tick: float) -> str:
    return f"{tick:,.0f}" if tick >= 1 else f"{tick:g}"


def left_out(found: int, shown: int, what: str) -> str:
    """What a picture leaves out, in a sentence; empty where it shows all. `what`: ``shapes with most work``."""
    return f"The {shown:,} {what} are drawn, {found - shown:,} more are in rows.csv." if found > shown else ""
