"""What Nsight Compute counted in launches, one line an action. Its durations are no timings of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from immabench.profile.actions import Action
from immabench.readable import NOTHING, number
from immabench.report.tables import Cell, Column, Table, first_rows, text, value

SHARES = ("tensor_active", "dram_throughput", "l2_throughput", "occupancy_achieved")
"""The metrics, in percent, that have a column."""


def action_table(actions: Sequence[Action], keys: Mapping[str, str]) -> Table:
    """Where each profiled launch spends itself, by counters; `keys` are those of rows by their id."""
    columns = [
        Column("kernel", "code", choose=True),
        Column("problem", "code", choose=True, drop=True),
        Column("function", "code", drop=True),
        Column("GPU", "text", drop=True),
        Column("preset", "text", choose=True, drop=True),
        Column("duration", unit="µs", hint="under the profiler, once: not a timing"),
        Column("tensor pipe", unit="%", hint="of elapsed cycles"),
        Column("DRAM", unit="%", hint="of its peak rate"),
        Column("L2", unit="%", hint="of its peak rate"),
        Column("occupancy", unit="%", hint="achieved"),
        Column("top stall", "text", hint="what warps wait for most, and how many do for each instruction issued"),
        Column("first rule", "text", hint="of Nsight Compute's, the one that promises most"),
    ]
    table = Table("profiled", columns, empty="Nothing of this run was profiled.")
    shown, table.note = first_rows(actions, "Measured by Nsight Compute in launches of its own, one a row.")
    for action in shown:
        table.add(*_cells(action), key=keys.get(action.row_id, ""))
    return table


def _cells(action: Action) -> list[Cell]:
    rule = action.first_rule
    return [
        text(action.kernel_id or NOTHING),
        text(action.problem_key or NOTHING),
        text(action.function),
        text(action.device or NOTHING),
        text(action.preset or NOTHING),
        value(number(action.duration_us), action.duration_us),
        *(_share(action.metrics.get(name)) for name in SHARES),
        text(action.stall_text),
        text(action.rule_text, hint=rule.message if rule else ""),
    ]


def _share(percent: float | None) -> Cell:
    return value(number(percent), percent, share=None if percent is None else min(1.0, percent / 100))
