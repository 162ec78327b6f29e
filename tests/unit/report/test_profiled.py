"""What was profiled, on the page: a table of actions, one of counts against counters, and neither without actions."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from immabench.measure.rows import Row
from immabench.profile.actions import Action, RuleResult
from immabench.profile.agreement import agreement
from immabench.report.agreement import agreement_table
from immabench.report.document import gather
from immabench.report.page import render_page
from immabench.report.profiled import action_table


@pytest.fixture
def row(synthetic: ModuleType) -> Row:
    one: Row = synthetic.emulated_row(synthetic.CASES[1], synthetic.KERNELS[0])
    return one


def action(row: Row, rules: tuple[RuleResult, ...] = (), **metrics: float) -> Action:
    own: dict[str, Any] = {"row_id": row.row_id.replace("@emulated", "@cuda"), "kernel_id": row.kernel_id}
    own |= {"report": "r", "preset": "memory", "function": "f", "device": "synthetic GPU", "duration_us": 5.0}
    return Action(**own, metrics=metrics, rules=rules)


def rule(speedup: float | None) -> RuleResult:
    more = {"speedup_percent": speedup, "speedup_kind": "global" if speedup else ""}
    return RuleResult(rule="Id", title="A title", section="s", severity="optimization", message="advice", **more)


def test_an_action_is_a_line_of_counters(row: Row) -> None:
    metrics = {"tensor_active": 42.0, "dram_throughput": 7.5, "stall_barrier": 1.5, "stall_selected": 9.0}
    (line,) = action_table([action(row, (rule(12.5),), **metrics)], {}).records()
    assert [line["kernel"], line["problem"], "cuda"] == row.row_id.replace("@emulated", "@cuda").split("@")
    assert (line["duration (µs)"], line["tensor pipe (%)"], line["DRAM (%)"]) == (5.0, 42.0, 7.5)
    assert line["L2 (%)"] == float("-inf")  # not collected
    assert (line["top stall"], line["first rule"]) == ("barrier 1.50", "A title (global 12 %)")
    (bare,) = action_table([action(row, (rule(None),))], {}).records()
    assert (bare["top stall"], bare["first rule"]) == ("–", "A title")


def test_counts_stand_beside_counters(row: Row) -> None:
    assert row.counts
    count = row.counts["mma"]
    found = agreement([row], [action(row, tensor_instructions=float(count), ldmatrix_wavefronts=1.0)])
    first, second = agreement_table(found, {}).records()
    assert (first["count"], first["emulated"], first["measured"], first["agrees"]) == (
        "tensor instructions",
        count,
        count,
        "yes",
    )
    assert (second["count"], second["agrees"]) == ("ldmatrix wavefronts", "no")


def test_the_page_has_the_section_where_there_is_something_to_show(synthetic: ModuleType, row: Row) -> None:
    meta = synthetic.meta("r")
    page = render_page(gather([row], meta))
    assert 'id="profiled"' not in page
    page = render_page(gather([row], meta, actions=[action(row, tensor_active=42.0)]))
    assert '<a href="#profiled">' in page
    assert "Profiled launches" in page
    assert "Counts by row" not in page  # nothing that the machine counts was collected
    page = render_page(gather([row], meta, actions=[action(row, tensor_instructions=1.0)]))
    assert "Counts by row" in page


def test_what_rules_say_is_escaped(synthetic: ModuleType, row: Row) -> None:
    hostile = rule(None).model_copy(update={"title": "<b>", "message": '"><script>'})
    page = render_page(gather([row], synthetic.meta("r"), actions=[action(row, (hostile,))]))
    assert "&lt;b&gt;" in page
    assert '"><script>' not in page
