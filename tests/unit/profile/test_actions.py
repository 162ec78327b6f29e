"""Actions on disk, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from immabench.errors import RunFolderError
from immabench.profile.actions import Action, RuleResult, read_actions, write_file


def action(row_id: str = "k@p@cuda", **values: object) -> Action:
    own = {"row_id": row_id, "kernel_id": "k", "report": "r", "function": "f", "metrics": {"duration": 1.5}}
    return Action.model_validate({**own, **values})


def rule(name: str, severity: str, speedup: float | None = None, kind: str = "") -> RuleResult:
    return RuleResult(
        rule=name, section="s", severity=severity, message="m", speedup_percent=speedup, speedup_kind=kind
    )


def test_actions_come_back_as_they_were_written(tmp_path: Path) -> None:
    rules = (rule("a", "optimization", 12.5, "global"),)
    one = action(grid=(1, 2, 3), block=(4, 5, 6), rules=rules, ranges=("profile",), duration_us=1.5)
    assert read_actions(tmp_path) == []
    write_file(tmp_path / "profile" / "b.actions.jsonl", [action("second@p@cuda")])
    write_file(tmp_path / "profile" / "a.actions.jsonl", [one, action(index=1)])
    assert read_actions(tmp_path) == [one, action(index=1), action("second@p@cuda")]
    assert (one.problem_key, action("").problem_key) == ("p", "")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "Invalid JSON"),
        (action().model_dump_json().replace('"schema_version":1', '"schema_version":2'), "schema 2 is not 1"),
        (action().model_dump_json().replace('"k"', "7"), "kernel_id"),
        ('{"row_id": "x"}', "kernel_id"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = write_file(tmp_path / "profile" / "a.actions.jsonl", [action()])
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(RunFolderError, match=complaint) as caught:
        read_actions(tmp_path)
    assert "a.actions.jsonl:2" in caught.value.message
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    path = write_file(tmp_path / "profile" / "a.actions.jsonl", [])
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_actions(tmp_path)


def test_warps_that_wait_for_nothing_are_no_stall() -> None:
    waits = {"stall_selected": 9.0, "stall_not_selected": 8.0, "stall_barrier": 1.0, "stall_wait": 0.5}
    assert action(metrics=waits).top_stall == ("barrier", 1.0)
    assert action().top_stall is None


def test_the_first_rule_is_the_one_that_promises_most_of_all() -> None:
    local, whole = rule("local", "optimization", 90.0, "local"), rule("whole", "optimization", 5.0, "global")
    assert action(rules=(rule("fine", "ok"), local, whole)).first_rule == whole
    assert action(rules=(rule("warns", "warning"), local)).first_rule == local
    assert action(rules=(rule("fine", "ok"), rule("none", "none"))).first_rule is None
