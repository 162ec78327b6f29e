"""Reads one report of Nsight Compute with the vendor's library and prints what it holds as JSON.

Run as a program, in a process of its own: the library is native code that ends the process on some damaged files, and
takes any other file for an empty report. It knows nothing of ours; `reports` makes actions of what this prints.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any


def read(path: str) -> dict[str, Any]:
    """`{"actions"}` of a report: each action with its names, metrics, domains of ranges, and rules.

    Metrics with several instances have the value of all.
    """
    import ncu_report

    context = ncu_report.load_report(path)
    ranges = [context.range_by_idx(index) for index in range(context.num_ranges())]
    actions = [one.action_by_idx(index) for one in ranges for index in range(one.num_actions())]
    return {"actions": [_action(one) for one in actions]}


def _action(action: Any) -> dict[str, Any]:
    return {
        "function": action.name(),
        "demangled": action.name(action.NameBase_DEMANGLED),
        "metrics": {name: _value(action.metric_by_name(name)) for name in action.metric_names()},
        "domains": _domains(action.nvtx_state()),
        "rules": [_rule(result) for result in action.rule_results_as_dicts()],
    }


def _value(metric: Any) -> float | str | None:
    """None for what is no number, which JSON has no word for."""
    value: float | str | None = metric.value()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _domains(state: Any) -> list[dict[str, Any]]:
    """Every domain with the names of its push/pop ranges, the outermost first."""
    if not state:
        return []
    domains = [state.domain_by_id(number) for number in state.domains()]
    return [{"name": domain.name(), "ranges": list(domain.push_pop_ranges())} for domain in domains]


def _rule(result: dict[str, Any]) -> dict[str, Any]:
    import ncu_report

    kinds = {ncu_report.MsgType_OK: "ok", ncu_report.MsgType_WARNING: "warning", ncu_report.MsgType_ERR: "error"}
    kinds[ncu_report.MsgType_OPTIMIZATION] = "optimization"
    scopes = {ncu_report.SpeedupType_LOCAL: "local", ncu_report.SpeedupType_GLOBAL: "global"}
    message, speedup = result["rule_message"], result.get("speedup_estimation")
    return {
        "rule": result["rule_identifier"],
        "section": result["section_identifier"],
        "severity": kinds.get(message["type"], "none"),
        "title": message["title"],
        "message": message["message"],
        "speedup_percent": speedup["speedup"] if speedup else None,
        "speedup_kind": scopes.get(speedup["type"], "") if speedup else "",
    }


if __name__ == "__main__":
    # What the library prints must not damage the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    json.dump(read(sys.argv[1]), answer)
    answer.close()
