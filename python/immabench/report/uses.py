"""Which model variants a row stands for, and which shapes a variant needs to be whole.

A shape that several variants share is measured once, in one row that holds the merged case name and the summed calls;
the suite tells them apart again. For a suite that has changed since the run, or is gone, the rows themselves have to
do: a row then counts only where it names a single variant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immabench.errors import ImmabenchError

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.problems import Problem

SHARED = " + "  # how a suite joins the names of merged cases
VARIANT = "/"  # ``b8/layer1.0.conv1``: the variant stands before the slash

CaseKey = tuple[str, str, int]  # suite, case, calls


@dataclass(frozen=True)
class Use:
    """A variant of a model runs a shape ``calls`` times a pass, under this name."""

    model: str
    name: str
    calls: int
    shape: tuple[int, ...]


def case_key(row: Row) -> CaseKey:
    return (row.suite, row.case, row.calls)


def uses_of_rows(rows: Iterable[Row]) -> tuple[dict[CaseKey, list[Use]], dict[str, set[Use]]]:
    """(uses of each case of the rows, all uses that each model swept as a whole consists of)."""
    known = list(rows)
    by_case: dict[CaseKey, list[Use]] = {}
    models: dict[str, set[Use]] = {}
    for suite in dict.fromkeys(row.suite for row in known):
        own = [row for row in known if row.suite == suite]
        of_rows = {case_key(row): _from_row(row) for row in own}
        of_suite = _from_suite(suite)
        whole = of_suite if of_rows.keys() <= of_suite.keys() else of_rows
        by_case |= {key: whole[key] for key in of_rows}
        models |= _whole_models(whole, {use for key in of_rows for use in whole[key]})
    return by_case, models


def _whole_models(cases: dict[CaseKey, list[Use]], swept: set[Use]) -> dict[str, set[Use]]:
    """Models with call counts whose every use was swept; a filter such as ``--case 'b1*'`` leaves parts of others."""
    models: dict[str, set[Use]] = {}
    for use in (use for uses in cases.values() for use in uses):
        models.setdefault(use.model, set()).add(use)
    return {name: uses for name, uses in models.items() if uses <= swept and any(use.calls > 1 for use in uses)}


def _from_suite(suite: str) -> dict[CaseKey, list[Use]]:
    from immabench.suites import load_suite

    try:
        cases = load_suite(suite).expand()
    except ImmabenchError:
        return {}
    return {
        (suite, case.name, case.calls): [
            Use(_model(suite, name), name, calls, _shape(case.problem)) for name, calls in case.uses
        ]
        for case in cases
    }


def _shape(problem: Problem) -> tuple[int, ...]:
    """As `Row.sizes`."""
    return problem.of_batch(problem.m, problem.n, problem.k)


def _from_row(row: Row) -> list[Use]:
    whole = SHARED not in row.case
    return [Use(_model(row.suite, row.case), row.case, row.calls, row.sizes)] if whole else []


def _model(suite: str, name: str) -> str:
    variant, slash, _ = name.partition(VARIANT)
    return f"{suite} {variant}" if slash else suite
