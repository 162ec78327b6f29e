"""`immabench compare`: two run folders, row by row, with a verdict on each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from immabench.cli.options import JsonOption, ThresholdOption

if TYPE_CHECKING:
    from rich.text import Text

    from immabench.measure.compare import FailRule, RowComparison, RunComparison

RULE_MET = 3
INCONCLUSIVE_ROW = 4
"""Exit codes of --fail-on and --strict."""

STYLES = {"BROKEN": "bold red", "SLOWER": "red", "INCONCLUSIVE": "yellow", "SAME": "", "FASTER": "green"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("compare")(compare)


def compare(
    a: str = typer.Argument(help="The run folder of the baseline, or several runs of it, separated by commas."),
    b: str = typer.Argument(help="The run folder of the candidate, or as many runs of it."),
    threshold: ThresholdOption = "2%",
    fail_on: list[str] = typer.Option(
        [], "--fail-on", metavar="KIND:SHARE", help="slower:3%, faster:3% or any:3%: exit 3 if a row is; repeatable."
    ),
    strict: bool = typer.Option(False, "--strict", help="Exit 4 if a row is inconclusive."),
    mixed: bool = typer.Option(
        False, "--mixed", help="Judge rows of different devices, backends, cache states or timers too."
    ),
    json: JsonOption = False,
) -> None:
    """Compare the times of two runs, row by row: B against A, with a 99 % interval for every ratio.

    Rows are FASTER, SLOWER, SAME, INCONCLUSIVE, or BROKEN where A was ok and B failed; BROKEN meets every --fail-on.
    Exits 3 when --fail-on is met, else 4 by --strict, 5 when no row has a verdict.

    Runs of one build differ, most of all on a shared machine: with three of each side, taken in turns, the interval
    holds what differs between runs.

    Example: immabench compare runs/before1,runs/before2,runs/before3 runs/after1,runs/after2,runs/after3
    """
    from immabench.cli.output import print_json
    from immabench.measure.compare import compare_runs, parse_fail_rule, parse_percent

    rules = [parse_fail_rule(text) for text in fail_on]
    (first_a, *again_a), (first_b, *again_b) = ([Path(path) for path in text.split(",")] for text in (a, b))
    found = compare_runs(first_a, first_b, parse_percent(threshold), mixed, again_a, again_b)
    if json:
        print_json({"a": a, "b": b, **found.as_dict()})
    else:
        _print(found)
    _exit(found, rules, strict)


def _print(found: RunComparison) -> None:
    from rich.text import Text

    from immabench.cli.output import print_table
    from immabench.measure.compare import NO_TIME

    columns = ("verdict", "B / A", "99 % interval", "A us", "B us", "case", "row", "reason")
    rows = (
        (Text(row.verdict, style=STYLES[row.verdict]), *_numbers(row), row.case, row.key, row.reason)
        for row in found.verdicts
    )
    print_table("", columns, rows, numeric=columns[1:5])
    untimed = [left for left in found.not_compared if left.reason == NO_TIME]
    for left in (*found.not_compared, *found.only_in_a, *found.only_in_b):
        if left.reason != NO_TIME:
            print(f"no verdict: {left.suite} {left.case} {left.key}: {left.reason}")
    if untimed:
        print(f"no verdict: {len(untimed)} emulated rows, which have counts and no time")
    for note in found.notes:
        print(f"note: {note}")
    print(closing_line(found))


def _numbers(row: RowComparison) -> Sequence[str | Text]:
    ratio = "" if row.ratio.value != row.ratio.value else f"{row.ratio.value:.3f}"
    interval = "" if row.ratio.interval is None else "{:.3f} to {:.3f}".format(*row.ratio.interval)
    return ratio, interval, *("" if time is None else f"{time:,.2f}" for time in (row.time_us_a, row.time_us_b))


def closing_line(found: RunComparison) -> str:
    """Counts by verdict, what had none, and the geometric mean of the ratios."""
    from immabench.measure.statistics import geometric_mean

    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.counts.items())
    left = len(found.not_compared) + len(found.only_in_a) + len(found.only_in_b)
    ratios = found.ratios
    mean = f"; geometric mean of B / A {geometric_mean(ratios):.3f} over {len(ratios)}" if ratios else ""
    return f"{len(found.verdicts)} rows: {counts}; {left} without a verdict{mean}"


def _exit(found: RunComparison, rules: Sequence[FailRule], strict: bool) -> None:
    """Leave with the code of a rule that is met, else of --strict; say on standard error which it was."""
    met = [(rule, rows) for rule in rules if (rows := rule.met_by(found.verdicts))]
    for rule, rows in met:
        print(f"failed: {len(rows)} rows are {rule.kind} at {rule.threshold:.3g} or broken", file=sys.stderr)
    if met:
        raise typer.Exit(RULE_MET)
    if strict and found.counts["INCONCLUSIVE"]:
        print(f"failed: {found.counts['INCONCLUSIVE']} rows are inconclusive", file=sys.stderr)
        raise typer.Exit(INCONCLUSIVE_ROW)
