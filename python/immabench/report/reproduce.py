"""The command that measures one row again: `immabench sweep` narrowed down to one case, kernel and device."""

from __future__ import annotations

import glob
import shlex
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immabench.measure.rows import Row

DEFAULT_BUDGET_GMAC = 0.5
"""`Selection.emulate_budget_gmac`, where `run.json` does not say what was asked for."""


def row_command(row: Row, meta: dict[str, Any]) -> str:
    """A command line whose plan is this row alone, quoted for a shell; operands are of the same seed.

    A suite's case is asked for by its name, a shape of the command line by its size and what else of the problem was
    given; empty for one of an older run, where the row does not say that.
    """
    asked: dict[str, Any] = meta.get("selection") or {}
    case = _shape(row) if _of_shapes(row) else _suite_case(row, asked)
    if not case:
        return ""
    chosen = ["--kernel", glob.escape(row.kernel_id), "--provider", row.provider, "--device", row.device_kind]
    limits = [*_budget(row, asked), *_timer(row, asked), "--seed", str(row.seed)]
    return shlex.join(["immabench", "sweep", *case, *chosen, *limits])


def _of_shapes(row: Row) -> bool:
    from immabench.measure.plan import SHAPES_SUITE

    return row.suite == SHAPES_SUITE


def _shape(row: Row) -> list[str]:
    """A convolution is named as it was asked for."""
    from immabench.measure.plan import one_problem

    problem = row.asked_problem
    if problem is None:
        return []
    shape = row.case if problem.conv else problem.shape
    given = one_problem(shape, problem.output_type).differing(problem)
    options = [word for name, value in given.items() for word in ("--with", f"{name}={value}")]
    return ["--shape", shape, "--output-type", problem.output_type, *options]


def _suite_case(row: Row, asked: dict[str, Any]) -> list[str]:
    """The suite as it was asked for, which may be the path of a file."""
    named = [str(name) for name in asked.get("suites") or []]
    only = named[0] if len(named) == 1 else row.suite
    suite = next((name for name in named if row.suite in (name, Path(name).stem)), only)
    return [suite, "--case", glob.escape(row.case)]


def _budget(row: Row, asked: dict[str, Any]) -> list[str]:
    """A case above the default budget was emulated because the run had a larger one."""
    budget = float(asked.get("emulate_budget_gmac") or DEFAULT_BUDGET_GMAC)
    needed = row.device_kind == "emulated" and row.status != "skipped" and prod(row.sizes) / 1e9 > DEFAULT_BUDGET_GMAC
    return ["--emulate-budget", f"{budget:g}"] if needed else []


def _timer(row: Row, asked: dict[str, Any]) -> list[str]:
    timer = str(asked.get("timer") or "auto")
    return ["--timer", timer] if row.device_kind == "cuda" and timer != "auto" else []
