"""Who is drawn how: the precision is a colour, the provider a shape, a row that is not ok a shape of its own.

Colours are Okabe and Ito's (2008) in two tones, one for a light page and one for a dark: moved in lightness, and a
little in hue, until each stands out from its page by 3:1 (WCAG 2.2, 1.4.11) and any two differ in every colour vision.
Shapes say the same again, so that no picture needs its colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immabench.problems import precision_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row


@dataclass(frozen=True)
class Colour:
    """One colour in the tones of the two pages. Charts name it, the page resolves the name; plots are always light."""

    name: str
    light: str
    dark: str

    @property
    def on_page(self) -> str:
        """As charts write it."""
        return f"@{self.name}"


BLUE = Colour("blue", "#005095", "#4783cb")
ORANGE = Colour("orange", "#cc8200", "#e69f00")
GREEN = Colour("green", "#00844f", "#28a875")
VERMILION = Colour("vermilion", "#c24000", "#d55e00")
PURPLE = Colour("purple", "#ab639e", "#ebacda")
SKY = Colour("sky", "#009cd6", "#4dc2fd")
YELLOW = Colour("yellow", "#a09346", "#f0e442")
GREY = Colour("grey", "#808080", "#8d97a3")
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY)

INK = Colour("ink", "#1f2328", "#e6e9ed")
MUTED = Colour("muted", "#59636e", "#9aa5b1")
GRID = Colour("grid", "#d8dee4", "#2b333d")
PAPER = Colour("paper", "#ffffff", "#0f1318")
"""These four are the page's own: report.css has them."""

DIVERGING = (VERMILION.light, "#f7f7f5", BLUE.light)
"""Worse, equal, better: a scale that every colour vision reads, for it runs from yellowish to bluish through light."""

PRECISION_COLOURS = {
    "s8": BLUE,
    "s4": YELLOW,
    "s8_s4": INK,
    "bf16_s4": ORANGE,
    "f32": VERMILION,
    "bf16": GREEN,
    "f16": PURPLE,
    "e4m3": SKY,
}
SAME_COLOUR = {"s8_u4": "s8_s4", "f16_s4": "bf16_s4", "bf16_u4": "bf16_s4", "f16_u4": "bf16_s4"}
"""Precisions that a run has in the place of another."""

PRECISION_NAMES = {
    "s8": "int8",
    "s4": "int4",
    "b1": "int1",
    "f32": "fp32",
    "f16": "fp16",
    "bf16": "bf16",
    "e4m3": "fp8",
    "s8_s4": "W4A8",
    "s8_u4": "W4A8 u4",
    "bf16_s4": "W4A16",
    "bf16_u4": "W4A16 u4",
    "f16_s4": "W4A16 fp16",
    "f16_u4": "W4A16 u4 fp16",
    "bf16_s8": "W8A16",
    "f16_s8": "W8A16 fp16",
}


@dataclass(frozen=True)
class Shape:
    """A provider in every picture: as a point, along a line, on a bar. Names of plotly, then of matplotlib."""

    symbol: str
    marker: str
    dash: str
    line_style: str | tuple[int, tuple[int, ...]]
    pattern: str
    hatch: str


SHAPES = {
    "handwritten": Shape("circle", "o", "solid", "-", "", ""),
    "torch": Shape("square", "s", "dash", "--", "/", "//"),
    "cublaslt": Shape("triangle-up", "^", "dot", ":", ".", ".."),
    "cutlass": Shape("diamond", "D", "dashdot", "-.", "x", "xx"),
    "cute_dsl": Shape("triangle-down", "v", "4px,2px,1px,2px", (0, (4, 2, 1, 2)), "\\", "\\\\"),
    "reference": Shape("pentagon", "p", "longdash", (0, (8, 3)), "-", "--"),
}
OTHER_SHAPES = (
    Shape("hexagon", "h", "longdashdot", (0, (8, 3, 2, 3)), "+", "++"),
    Shape("star", "*", "5px,2px", (0, (5, 2)), "|", "||"),
)

# status of a row that is not ok -> (plotly symbol, matplotlib marker)
STATUS_MARKERS = {
    "invalid": ("x-thin-open", "x"),
    "incorrect": ("x", "X"),
    "error": ("cross", "P"),
    "crashed": ("cross-thin-open", "+"),
    "timeout": ("asterisk-open", "1"),
}


@dataclass(frozen=True, order=True)
class Series:
    """One entry of a legend: who computed, in which precision."""

    provider: str
    precision: str  # `Problem.precision` of the row: "s8", "f32", "bf16_s4", ...

    @property
    def label(self) -> str:
        return f"{self.provider} {precision_name(self.precision)}"


@dataclass(frozen=True)
class Look:
    """How one series is drawn in every picture of a report."""

    colour: Colour
    shape: Shape


def precision_name(precision: str) -> str:
    """The name people use for the operand types: int8 for s8, fp32 for f32, W4A16 for bf16 with s4 weights."""
    return PRECISION_NAMES.get(precision, precision)


def precision_colour(precision: str) -> Colour:
    """Grey for a precision without a colour of its own."""
    return PRECISION_COLOURS.get(SAME_COLOUR.get(precision, precision), GREY)


def series_of(row: Row) -> Series:
    return Series(row.provider, precision_of(row.a_type, row.b_type))


def looks(series: Iterable[Series]) -> dict[Series, Look]:
    """The look of each series, our own kernels first; providers of other packages share the remaining shapes."""
    places = {provider: place for place, provider in enumerate(SHAPES)}
    ordered = sorted(set(series), key=lambda one: (places.get(one.provider, len(places)), one))
    others = list(dict.fromkeys(one.provider for one in ordered if one.provider not in SHAPES))
    shapes = SHAPES | {name: OTHER_SHAPES[place % len(OTHER_SHAPES)] for place, name in enumerate(others)}
    return {one: Look(precision_colour(one.precision), shapes[one.provider]) for one in ordered}


def share_precisions(series: Iterable[Series]) -> bool:
    """Whether two series have one colour, so that bars need the patterns of their providers as well."""
    known = set(series)
    return len({precision_colour(one.precision) for one in known}) < len(known)


def css_variables() -> str:
    """The colours of charts as variables of the page, in the tone of each theme."""
    tones = [(":root", "light"), (':root[data-theme="dark"]', "dark")]
    lines = {place: " ".join(f"--{one.name}: {getattr(one, tone)};" for one in COLOURS) for place, tone in tones}
    return "".join(f"{place} {{ {variables} }}\n" for place, variables in lines.items())
