"""The card of a model: what each precision costs it, as evaluated, in one page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from immabench.accuracy.rows import AccuracyRow
from immabench.accuracy.statistics import CONFIDENCE
from immabench.models.layer_names import summarize
from immabench.quantize.calibrators import CALIBRATORS
from immabench.quantize.recipe_files import load_recipe
from immabench.quantize.recipes import Recipe

TEMPLATE = Path(__file__).parent / "card.md.j2"

MIB = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A line of a card: a recipe and what is changed of it."""

    label: str
    recipe: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Lines that answer one question."""

    title: str
    entries: tuple[Entry, ...]


SECTIONS = (
    Section("Floats", (Entry("fp32", "fp32"), Entry("bf16", "bf16"))),
    Section(
        "W8A8 by calibrator of activations",
        tuple(Entry(name, "w8a8", (f"activations.calibrator={name}",)) for name in CALIBRATORS),
    ),
    Section(
        "W8A8, what a scale of weights covers",
        (Entry("channel", "w8a8"), Entry("tensor", "w8a8", ("weights.granularity=tensor",))),
    ),
    Section(
        "W8A8, when scales of activations are found",
        (Entry("static", "w8a8"), Entry("static, symmetric", "w8a8-symmetric"), Entry("dynamic", "w8a8-dynamic")),
    ),
    Section(
        "W8A8 without correction",
        (
            Entry("as the recipe has it", "w8a8"),
            Entry("biases as they were", "w8a8", ("methods.bias_correction=false",)),
        ),
    ),
    Section("Weights alone", (Entry("8 bits", "w8"), Entry("4 bits", "w4"))),
    Section("4-bit weights and integer activations", (Entry("W4A8", "w4a8"), Entry("W4A4", "w4a4"))),
)
"""Of every card."""


def card_recipes(family: str) -> dict[Entry, Recipe]:
    """The recipe of each line."""
    return {entry: load_recipe(family, entry.recipe, entry.changes) for part in SECTIONS for entry in part.entries}


def render_card(family: str, rows: Sequence[AccuracyRow], command: str, runtimes: Sequence[list[str]] = ()) -> str:
    """The card that rows of one model make, Markdown. Raises KeyError for a line without a row.

    `runtimes` are lines of `e2e.card_lines`: what runtimes measured of the same weights.
    """
    by_digest = {row.recipe_digest: row for row in rows}
    found = {entry: by_digest[recipe.digest] for entry, recipe in card_recipes(family).items()}
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    first = rows[0]
    return template.render(
        model=first,
        calibration=next(row.calibration for row in found.values() if row.calibration),
        size_mib=f"{found[SECTIONS[0].entries[0]].size_bytes / MIB:.2f}",
        sections=[(part.title, [_line(entry, found) for entry in part.entries]) for part in SECTIONS],
        fallbacks=_fallbacks(found),
        runtimes=runtimes,
        command=command,
        dates=sorted({row.measured_at[:10] for row in found.values()}),
        confidence=round(100 * CONFIDENCE),
    )


def verdict(row: AccuracyRow) -> str:
    """What the interval of the difference says."""
    if not row.distinguishable:
        return "not distinguishable"
    return "better" if row.difference > 0 else "worse"


def _line(entry: Entry, found: Mapping[Entry, AccuracyRow]) -> list[str]:
    row = found[entry]
    low, high = row.accuracy_interval
    reference = entry.recipe == "fp32"
    worst, best = row.difference_interval
    changes = "".join(f" `{change}`" for change in entry.changes)
    return [
        entry.label,
        f"{entry.recipe}{changes}",
        f"{100 * row.accuracy_top1:.2f} [{100 * low:.1f}, {100 * high:.1f}]",
        "" if reference else f"{100 * row.difference:+.2f} [{100 * worst:+.2f}, {100 * best:+.2f}]",
        "" if reference else f"+{row.gained} -{row.lost}",
        "" if reference else verdict(row),
        "" if row.sqnr_db is None else f"{row.sqnr_db:.1f}",
        f"{row.size_bytes / MIB:.2f}",
    ]


def _fallbacks(found: Mapping[Entry, AccuracyRow]) -> list[str]:
    """Layers that compute with more than asked, by recipe and reason."""
    layers: dict[tuple[str, str], dict[str, None]] = {}
    for entry, row in found.items():
        for layer, reason in (text.split(": ", 1) for text in row.fallbacks):
            layers.setdefault((entry.recipe, reason), {})[layer] = None
    return [f"{recipe}, {summarize(names)}: {reason}" for (recipe, reason), names in layers.items()]
