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

    A suite's case is asked for by its name, a shape of the command line by its size and the options given then.
    """
    asked: dict[str, Any] = meta.get("selection") or {}
    case = _shape(row, asked) if _of_shapes(row) else _suite_case(row, asked)
    chosen = ["--kernel", glob.escape(row.kernel_id), "--provider", row.provider, "--device", row.device_kind]
    limits = [*_budget(row, asked), *_timer(row, asked), "--seed", str(row.seed)]
    return shlex.join(["immabench", "sweep", *case, *chosen, *limits])


def _of_shapes(row: Row) -> bool:
    from immabench.measure.plan import SHAPES_SUITE

    return row.suite == SHAPES_SUITE


def _shape(row: Row, asked: dict[str, Any]) -> list[str]:
    """A case of --shape is named by its size, of a batch with that behind."""
    options = [word for option in asked.get("options") or [] for word in ("--with", str(option))]
    return ["--shape", row.case.split(" ")[0], "--output-type", str(asked.get("output_type") or "f16"), *options]


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
