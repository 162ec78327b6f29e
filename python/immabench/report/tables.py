"""A table as data: columns with units, cells with a shown text and a sortable value. The page decides how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

Kind = Literal["text", "prose", "code", "number", "status"]
"""What a column holds: words, sentences (which wrap), names of code, numbers, or how something went."""
Item = TypeVar("Item")

MOST_ROWS = 2000
"""Rows of one table on the page. A browser sorts and filters so many at once; a sweep may have 100,000."""


@dataclass(frozen=True)
class Cell:
    """What is shown, what it sorts by, and how it stands out ("", "good", "bad", "quiet")."""

    text: str
    sort: float | str
    tone: str = ""
    hint: str = ""
    share: float | None = None  # 0..1 draws a bar behind the number


@dataclass(frozen=True)
class Column:
    title: str
    kind: Kind = "number"
    unit: str = ""
    hint: str = ""
    choose: bool = False  # offer a filter with the column's own values
    drop: bool = False  # leave the column out of a table in which it never changes


@dataclass
class Table:
    """Rows of cells below columns; ``note`` is printed under it, ``empty`` instead of it when it has no row.

    ``keys`` has the `row_key` of what each line shows, "" for one that shows no row of the run. Where lines sum up
    rows, ``parts`` names the table of those: they are found there by the text of a line's first cell.
    """

    name: str
    columns: list[Column]
    rows: list[list[Cell]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    note: str = ""
    empty: str = "Nothing to show."
    parts: str = ""

    def add(self, *cells: Cell, key: str = "") -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"table {self.name}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(list(cells))
        self.keys.append(key)

    def without_constant(self) -> Table:
        """This table without the columns marked ``drop`` that hold one and the same value in every row."""
        keep = [n for n, c in enumerate(self.columns) if not c.drop or len({row[n].text for row in self.rows}) > 1]
        rows = [[row[n] for n in keep] for row in self.rows]
        return Table(self.name, [self.columns[n] for n in keep], rows, self.keys, self.note, self.empty, self.parts)

    def records(self) -> list[dict[str, Any]]:
        """Rows keyed by column title with the unit, holding raw values: what a CSV or a test wants."""
        titles = [f"{c.title} ({c.unit})" if c.unit else c.title for c in self.columns]
        return [dict(zip(titles, (cell.sort for cell in row), strict=True)) for row in self.rows]


def first_rows(items: Sequence[Item], note: str = "") -> tuple[Sequence[Item], str]:
    """What of `items` a table shows, and its note, which says so where that is not all."""
    if len(items) <= MOST_ROWS:
        return items, note
    left = f"The first {MOST_ROWS:,} of {len(items):,} are shown; every row is in rows.csv and rows.jsonl."
    return items[:MOST_ROWS], f"{left} {note}".strip()


def text(value: object, tone: str = "", hint: str = "") -> Cell:
    return Cell(str(value), str(value), tone, hint)


def value(shown: str, sort: float | int | None, tone: str = "", hint: str = "", share: float | None = None) -> Cell:
    """A number cell; a missing number sorts below every other."""
    return Cell(
        shown, float("-inf") if sort is None else float(sort), tone if sort is not None else "quiet", hint, share
    )
