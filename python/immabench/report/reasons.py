"""Why rows are below their roofs, as `explain` finds it: a table, a sentence for the verdict, words for each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immabench.errors import NothingSelectedError
from immabench.explain import FORMULA, BreakEven, EmulatedRows, Explanation, break_evens, explain_rows
from immabench.readable import NOTHING, join, number, percent, plural, shape_text
from immabench.report.keys import row_key
from immabench.report.tables import MOST_ROWS, Column, Table, text, value

if TYPE_CHECKING:
    from immabench.explain.emulated import Whole
    from immabench.measure.rows import Row
    from immabench.profile.actions import Action

MOST_EVENS = 40
"""Weights whose break-even a page predicts, those with most bytes: each asks the model at every power of two."""


@dataclass(frozen=True)
class Reasons:
    """Every explained row, and where precisions are even with fp16."""

    found: list[Explanation] = field(default_factory=list)
    evens: list[BreakEven] = field(default_factory=list)
    left: int = 0
    """Rows nearer to their roofs that are not explained here: `immabench explain` does."""

    @property
    def words(self) -> dict[str, list[str]]:
        """Sentences by row key."""
        return {row_key(one.row): one.sentences() for one in self.found}

    @property
    def verdict(self) -> str:
        """How many rows are far from their roofs, and the causes that lead most often."""
        far = [one.headline for one in self.found if one.is_far]
        if not far:
            return ""
        causes = join(f"{name} ({count})" for name, count in Counter(far).most_common(4))
        judged = f"{len(self.found):,}" + (" looked at" if self.left else "")
        return f"**Why not faster**: {plural(len(far), 'row')} of {judged} are far from their roofs: {causes}."


def reasons(
    rows: Sequence[Row], meta: dict[str, Any], actions: Sequence[Action] = (), whole: Whole | None = None
) -> Reasons:
    """Explain the timed rows of a run that are farthest from their roofs; nothing where none has a roof.

    `whole` gives rows with their counts by source line, where `rows` came without.
    """
    judged = [row for row in rows if row.status == "ok" and row.pct_roof is not None]
    try:
        farthest = sorted(judged, key=_share)[:MOST_ROWS]
        found = explain_rows(farthest, meta, actions, emulated=EmulatedRows(rows, whole))
    except NothingSelectedError:
        return Reasons()
    evens = break_evens(rows, meta, most=MOST_EVENS)
    return Reasons(sorted(found, key=lambda one: one.efficiency), evens, len(judged) - len(found))


def _share(row: Row) -> float:
    return row.pct_roof or 0.0


def reason_table(why: Reasons) -> Table:
    """One line a row: its efficiency, what bounds it, the first cause (its evidence on hovering), and what to try."""
    columns = [
        Column("case", "text"),
        Column("M×N×K", "text"),
        Column("efficiency", unit="%", hint=FORMULA),
        Column("why", "text", choose=True),
        Column("costs", unit="% of the time", hint="as far as the evidence tells; shares of causes may overlap"),
        Column("try", "prose"),
        Column("bound", "text", choose=True, hint="what the roof is at this shape"),
        Column("kernel", "code"),
    ]
    table = Table("reasons", columns, empty="No timed row has a measured roof, so none is judged by one.")
    table.note = f"{FORMULA}. A row's panel has every cause, its evidence, and where each statement comes from."
    table.note += f" {why.left:,} rows nearer to their roofs are left to `immabench explain`." if why.left else ""
    for one in why.found:
        cause = one.causes[0] if one.causes else None
        lost = cause.lost if cause else None
        share = one.efficiency
        evidence = "; ".join(f"{each.text} [{each.kind}]" for each in cause.evidence) if cause else ""
        table.add(
            text(one.row.case or NOTHING),
            text(shape_text(one.row.sizes)),
            value(number(100 * share), 100 * share, share=min(share, 1.0), tone="bad" if one.is_far else ""),
            text(one.headline, hint=evidence),
            value(percent(100 * lost) if lost is not None else NOTHING, 100 * lost if lost is not None else None),
            text(cause.advice if cause else NOTHING),
            text(one.bound),
            text(one.row.kernel_id),
            key=row_key(one.row),
        )
    return table


def break_even_table(evens: Sequence[BreakEven]) -> Table:
    """Where each precision is faster than fp16, for every N and K."""
    columns = [
        Column("N"),
        Column("K"),
        Column("precision", "text", choose=True),
        Column("on", "text", choose=True, drop=True),
        Column("kind", "text", choose=True, hint="measured: both were timed; predicted: by the model, on both sides"),
        Column("faster than fp16 for M", "text"),
        Column("even at M", "text"),
        Column("at best", unit="×"),
    ]
    table = Table("break_even", columns, empty="No precision stands beside fp16, and there is no GPU to predict for.")
    for one in evens:
        ranges = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in one.faster)
        table.add(
            value(number(one.n), one.n),
            value(number(one.k), one.k),
            text(one.precision),
            text(one.device),
            text(one.kind),
            text(ranges or NOTHING),
            text(", ".join(f"{m:,.0f}" for m in one.crossings) or NOTHING),
            value(number(max(one.gains)), max(one.gains)),
        )
    return table
