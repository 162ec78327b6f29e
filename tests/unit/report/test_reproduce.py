from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from immabench.cli import main
from immabench.measure.plan import Planned, Selection, make_plan
from immabench.problems import float_problem
from immabench.report.reproduce import row_command

SUITE = """
[suite]
name = "mine"
description = "names that a shell, or a glob, would take for something else"
source = "hand"
[[cases]]
name = "a [b]*"
m = 64
n = 64
k = 64
output_type = "s32"
[[cases]]
name = "a b"
m = 64
n = 64
k = 128
output_type = "s32"
"""


@pytest.fixture
def asked_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The plan of a printed command, as the command line makes it."""

    def plan(command: str) -> list[dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", [*shlex.split(command), "--dry-run", "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, capsys.readouterr().err
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["plan"]
        return found

    return plan


def as_row(planned: Planned) -> Any:
    job = planned.job
    return job.row("skipped" if planned.skip else "ok", planned.skip, started_utc="2026-01-02T03:04:05Z")


SELECTIONS = {
    "suite": Selection(suites=("quick",), devices=("emulated",)),
    "two suites": Selection(suites=("quick", "square"), devices=("cpu",), cases=("*[a1]*",), providers=("reference",)),
    "shapes": Selection(shapes=("1,16x64x128",), devices=("emulated", "cpu"), output_type="s8", seed=7),
    "convolution": Selection(shapes=("1x8x8x64_f3_p1_n64",), devices=("emulated",)),
    "options": Selection(
        shapes=("64x64x128",), devices=("emulated",), options=("b_type=s4", "b_group=128", "b_scale=float")
    ),
    "batch": Selection(shapes=("64x64x64",), devices=("emulated",), options=("batch=3", "activation=gelu")),
    "above the budget": Selection(shapes=("1024x1024x1024",), devices=("emulated",), emulate_budget_gmac=2.0),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_command_plans_its_row_and_no_other(name: str, asked_again: Any) -> None:
    selection = SELECTIONS[name]
    plan = make_plan(selection)
    meta = {"selection": json.loads(json.dumps(selection.as_dict()))}
    assert plan
    for planned in plan[:: max(1, len(plan) // 12)]:
        (again,) = asked_again(row_command(as_row(planned), meta))
        assert (again["suite"], again["case"], again["row_id"]) == planned.job.identity
        given = (planned.job.seed, planned.job.provider, planned.job.step, planned.skip)
        assert (again["seed"], again["provider"], again["step"], again["skip"]) == given


@pytest.mark.parametrize("name", ["shapes", "convolution", "options", "batch"])
def test_a_row_of_the_command_line_says_itself_what_was_asked_for(name: str, asked_again: Any) -> None:
    """Types and epilogue too where a float baseline computed others, and whatever run it is of."""
    job = make_plan(SELECTIONS[name])[0].job
    floats = float_problem(job.problem, "f32")
    row = job.row("ok", problem=floats)
    (again,) = asked_again(row_command(row, {}))
    assert again["row_id"] == row.row_id
    assert row_command(row.model_copy(update={"asked": None}), {}) == ""


def test_names_and_paths_are_quoted(tmp_path: Path, asked_again: Any) -> None:
    file = tmp_path / "a suite.toml"
    file.write_text(SUITE, encoding="utf-8")
    selection = Selection(suites=(str(file),), devices=("emulated",))
    for planned in make_plan(selection):
        (again,) = asked_again(row_command(as_row(planned), {"selection": selection.as_dict()}))
        assert (again["suite"], again["case"], again["row_id"]) == planned.job.identity


def test_a_run_that_does_not_say_what_was_asked_is_asked_for_by_its_suite(synthetic: ModuleType) -> None:
    row, _ = synthetic.timed_row(synthetic.CASES[0], "s8")
    assert row_command(row, {}) == (
        "immabench sweep synthetic-net --case b1/conv1 --kernel torch_int8 --provider torch --device cpu --seed 7"
    )


def test_the_timer_that_was_asked_for_is_asked_for_again(synthetic: ModuleType) -> None:
    row, _ = synthetic.timed_row(synthetic.CASES[0], "s8")
    meta = {"selection": {"suites": ["synthetic-net"], "timer": "events"}}
    assert "--timer" not in row_command(row, meta)
    assert "--timer events" in row_command(row.model_copy(update={"device_kind": "cuda"}), meta)
