"""Findings: what is committed holds, and a figure that no action has is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from immabench.errors import UsageError
from immabench.profile.actions import Action, write_file
from immabench.profile.findings import FILE, complaints, read_findings

EVIDENCE = Path(__file__).parents[3] / "profiles" / "evidence"
TEXT = """
[[findings]]
finding = "synthetic"
action = "none: it is a test"
evidence = [{ actions = "a.actions.jsonl", row_id = "k@p@cuda", metric = "tensor_active", value = VALUE }]
"""


def machine(folder: Path, value: str) -> Path:
    action = Action(row_id="k@p@cuda", kernel_id="k", report="r", function="f", metrics={"tensor_active": 33.333})
    write_file(folder / "a.actions.jsonl", [action])
    (folder / FILE).write_text(TEXT.replace("VALUE", value))
    return folder


def test_a_figure_is_that_of_the_action(tmp_path: Path) -> None:
    assert list(complaints(machine(tmp_path, "33.33"))) == []
    assert read_findings(tmp_path / FILE)[0].finding == "synthetic"


def test_a_figure_that_no_action_has_is_found_out(tmp_path: Path) -> None:
    (complaint,) = complaints(machine(tmp_path, "34.0"))
    assert complaint == "a.actions.jsonl: k@p@cuda has tensor_active 33.333, not 34.0"
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace("tensor_active", "invented"))
    assert "has invented None" in next(complaints(tmp_path))


@pytest.mark.parametrize(
    "text", ["", "findings = 1", "[[findings]]\nfinding = 'x'", TEXT.replace("none: it is a test", "")]
)
def test_what_holds_no_findings_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text.replace("VALUE", "1.0"))
    with pytest.raises(UsageError, match="holds no findings"):
        read_findings(tmp_path / FILE)


def test_every_committed_finding_is_in_its_evidence() -> None:
    assert (EVIDENCE / "README.md").exists()
    assert [complaint for file in EVIDENCE.glob(f"*/{FILE}") for complaint in complaints(file.parent)] == []
