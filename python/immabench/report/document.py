"""Everything one report shows, gathered once from a run; the page and the summary only lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from immabench.profile.agreement import agreement
from immabench.report import emulation, failures, lines, models, provenance, sass, speed, verdict
from immabench.report.agreement import agreement_table
from immabench.report.cliffs import MOST_SWEEPS, Sweep, sweeps_over_m
from immabench.report.details import Details, Samples, details
from immabench.report.grids import Grid, grids
from immabench.report.heatmaps import speedup_grids, tile_grids
from immabench.report.keys import row_key
from immabench.report.pictures import left_out
from immabench.report.profiled import action_table
from immabench.report.reasons import break_even_table, reason_table, reasons
from immabench.report.roofline import Roofline, rooflines, traffic_of
from immabench.report.shares import Share, most_work, shares
from immabench.report.tables import Table

if TYPE_CHECKING:
    from immabench.explain.emulated import Whole
    from immabench.measure.rows import Row
    from immabench.profile.actions import Action

MOST_GAINS = 40


@dataclass(frozen=True)
class Document:
    title: str
    meta: dict[str, Any]
    verdict: list[str]
    rooflines: list[Roofline]
    timings: list[speed.Timing]
    totals: list[models.ModelTotal]
    gains: dict[str, list[speed.Timing]]  # device kind -> timings beside an fp32 one
    gains_note: str
    shares: dict[str, list[Share]]  # device kind -> shares of its roof
    shares_note: str
    sweeps_over_m: list[Sweep]
    sweeps_note: str
    heatmaps: list[Grid]
    grids: list[Grid]
    best_kernel: str
    sass_note: str
    tables: dict[str, Table]
    provenance: list[tuple[str, str]]
    command: str
    details: Details
    rows_digest: str  # of the rows.jsonl it was made from; "" where rows came from elsewhere

    @property
    def drawn_rooflines(self) -> list[Roofline]:
        """Rooflines with something to see: at least one timed row."""
        return [roof for roof in self.rooflines if roof.points]


def gather(
    rows: list[Row],
    meta: dict[str, Any],
    whole: Whole | None = None,
    *,
    samples: Samples | None = None,
    actions: Sequence[Action] = (),
    rows_digest: str = "",
) -> Document:
    """Compute all parts of the report from the rows and the metadata of a run, and from what was profiled of it.

    `whole` gives rows with their counts by source line, where `rows` came without; `samples` the raw times of a row id.
    """
    roofs = rooflines(rows, meta, traffic_of(actions))
    found = speed.timings(rows)
    totals = models.model_totals(rows, found)
    facts = emulation.emulated(rows)
    best = emulation.best_kernel(facts)
    if best is not None and whole is not None:
        best = replace(best, row=next(iter(whole([best.row]))))
    gains, note = _gains(found)
    shares_drawn, shares_note = _shares(found, roofs)
    sweeps = sweeps_over_m(rows)
    listing = sass.sass_report()
    tables = {**_tables(rows, meta, found, totals, facts), "lines": lines.line_table(best), "sass": listing.table}
    why = reasons(rows, meta, actions, whole)
    tables |= {"reasons": reason_table(why), "break_even": break_even_table(why.evens)}
    keys = {row.row_id: row_key(row) for row in rows} if actions else {}
    counters = agreement(rows, actions)
    tables |= {"profiled": action_table(actions, keys), "agreement": agreement_table(counters, keys)}
    panels = details(
        rows,
        meta,
        first=(key for table in tables.values() for key in table.keys),
        samples=samples,
        actions=actions,
        compiled=listing.facts,
        explanations=why.words,
    )
    return Document(
        title=_title(meta),
        meta=meta,
        verdict=verdict.verdict(rows, meta, roofs, found, totals, facts, why.verdict),
        rooflines=roofs,
        timings=found,
        totals=totals,
        gains=gains,
        gains_note=note,
        shares=shares_drawn,
        shares_note=shares_note,
        sweeps_over_m=sweeps[:MOST_SWEEPS],
        sweeps_note=left_out(len(sweeps), MOST_SWEEPS, "sweeps over M with the worst jumps"),
        heatmaps=[*speedup_grids(found), *tile_grids(rows)],
        grids=grids(facts),
        best_kernel=emulation.best_choice(facts, best) if facts else "",
        sass_note=listing.note,
        tables={name: table.without_constant() for name, table in tables.items()},
        provenance=provenance.entries(meta),
        command=provenance.command(meta),
        details=panels,
        rows_digest=rows_digest,
    )


def _tables(
    rows: list[Row],
    meta: dict[str, Any],
    found: list[speed.Timing],
    totals: list[models.ModelTotal],
    facts: list[emulation.Emulated],
) -> dict[str, Table]:
    return {
        "ceilings": provenance.ceiling_table(meta),
        "instructions": provenance.instruction_table(meta),
        "speed": speed.speed_table(found),
        "models": models.model_table(totals),
        "kernels": emulation.kernel_table(facts),
        "emulation": emulation.shape_table(facts),
        "failures": failures.failure_table(rows),
    }


def _title(meta: dict[str, Any]) -> str:
    return str(meta.get("suite") or meta.get("run_id") or "run")


def _shares(found: list[speed.Timing], roofs: list[Roofline]) -> tuple[dict[str, list[Share]], str]:
    """Shares of each device that has a measured roof, limited to the cases with most work."""
    limited = {roof.device_kind: most_work(shares(found, roof)) for roof in roofs}
    notes = dict.fromkeys(note for _, note in limited.values() if note)
    return {kind: of for kind, (of, _) in limited.items() if of}, " ".join(notes)


def _gains(found: list[speed.Timing]) -> tuple[dict[str, list[speed.Timing]], str]:
    """Timings with an fp32 one beside them, a device each, limited to the cases with most work."""
    beside = [one for one in found if one.speedup is not None and one.row.provider != "reference"]
    shapes = sorted(dict.fromkeys(one.shape for one in beside), key=prod, reverse=True)
    shown = set(shapes[:MOST_GAINS])
    gains: dict[str, list[speed.Timing]] = {}
    for one in beside:
        if one.shape in shown:
            gains.setdefault(one.row.device_kind, []).append(one)
    left = len(shapes) - len(shown)
    return gains, f"The {MOST_GAINS} shapes with most work are drawn; {left} more are in the table." if left else ""
