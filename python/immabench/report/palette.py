"""Who is drawn how: colours are Okabe and Ito's (2008), told apart with any colour vision; status is a shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immabench.problems import precision_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#767676"

PRECISION_COLOURS = {
    "s8": BLUE,
    "bf16_s4": ORANGE,
    "f32": VERMILION,
    "bf16": GREEN,
    "f16": PURPLE,
    "e4m3": SKY,
}
PRECISION_NAMES = {"s8": "int8", "bf16_s4": "W4A16", "f32": "fp32", "f16": "fp16", "bf16": "bf16", "e4m3": "fp8"}
EXTRA_COLOURS = (ORANGE, PURPLE, YELLOW, SKY, GREEN, VERMILION, BLUE)

# status -> (plotly symbol, matplotlib marker)
STATUS_MARKERS = {
    "ok": ("circle", "o"),
    "invalid": ("diamond-open", "D"),
    "incorrect": ("x", "X"),
    "error": ("triangle-down", "v"),
    "crashed": ("triangle-down-open", "v"),
    "timeout": ("square-open", "s"),
}


@dataclass(frozen=True, order=True)
class Series:
    """One line of a legend: who computed, in which precision."""

    provider: str
    precision: str  # `Problem.precision` of the row: "s8", "f32", "bf16_s4", ...

    @property
    def label(self) -> str:
        return f"{self.provider} {precision_name(self.precision)}"


def precision_name(precision: str) -> str:
    """The name people use for the operand types: int8 for s8, fp32 for f32, W4A16 for bf16 with s4 weights."""
    return PRECISION_NAMES.get(precision, precision)


def series_of(row: Row) -> Series:
    return Series(row.provider, precision_of(row.a_type, row.b_type))


def colours(series: Iterable[Series]) -> dict[Series, str]:
    """A distinct colour a series: the precision's own for its first provider, then the remaining ones."""
    chosen: dict[Series, str] = {}
    for one in sorted(set(series), key=lambda s: (s.provider == "reference", s)):
        preferred = GREY if one.provider == "reference" else PRECISION_COLOURS.get(one.precision, GREY)
        free = [colour for colour in (preferred, *EXTRA_COLOURS) if colour not in chosen.values()]
        chosen[one] = free[0] if free else GREY
    return chosen
