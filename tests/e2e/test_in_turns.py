"""Both sides of the goals in turns: which pairs, what each finds in a process of its own, and what is not repeated."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gpu_runs import PROBLEM, job, timed, write_run

BENCH = Path(__file__).parents[2] / "bench"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


goals = load("goals")
in_turns = load("in_turns")

OWN, OTHER = {"cases": ["*"], "kernels": ["own*"]}, {"cases": ["*"], "kernels": ["other*"]}
GOAL = {"kind": "speed", "own": OWN, "other": OTHER}
LARGER = replace(PROBLEM, m=128)


def runs(folder: Path, kernels: dict[str, float], device: str = "cuda") -> Path:
    """Two shapes by each kernel, the larger in a run of its own."""
    for name, problem in (("small", PROBLEM), ("large", LARGER)):
        rows = [timed(job(kernel, device=device, problem=problem), time) for kernel, time in kernels.items()]
        write_run(folder / name, rows)
    return folder


def test_pairs_are_the_fastest_of_either_side(tmp_path: Path) -> None:
    folder = runs(tmp_path, {"own_slow": 9.0, "own_fast": 5.0, "other": 7.0, "third": 1.0})
    found = list(in_turns.pairs(in_turns.right_rows(folder), [GOAL, {"kind": "cliff", "own": OWN}]))
    assert [[row.kernel_id for row in pair] for pair in found] == [["own_fast", "other"]] * 2
    assert {pair[0].m for pair in found} == {64, 128}
    assert all(pair[0].m == pair[1].m for pair in found)


def test_a_pair_is_timed_by_a_process_of_its_own(tmp_path: Path) -> None:
    """Here on the CPU, one side against itself."""
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    folder = runs(tmp_path, {"reference_numpy": 5.0}, "cpu")
    (row, _) = in_turns.right_rows(folder, "cpu")
    found = in_turns.measured(in_turns.stated((row, row)), 0.05)
    assert 0.1 < found["speed"] < 10.0
    assert found["pairs"] >= 2
    wrong = {**in_turns.stated((row, row)), "kernels": ["reference_numpy", "nothing"]}
    assert "no configuration matches 'nothing'" in in_turns.measured(wrong, 0.05)["reason"]


def test_what_has_a_figure_is_not_repeated_and_what_has_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = runs(tmp_path / "runs", {"own": 5.0, "other": 7.0}), tmp_path / "in_turns.jsonl"
    monkeypatch.setattr(goals, "load_goals", lambda: {"goals": [GOAL]})
    measured: list[int] = []

    def measure(told: dict[str, Any], seconds: float) -> dict[str, Any]:
        measured.append(told["problems"][0]["m"])
        return {"reason": "took too long"} if told["problems"][0]["m"] == 128 else {"speed": 1.5}

    monkeypatch.setattr(in_turns, "measured", measure)
    assert in_turns.main([str(folder), "--out", str(out)]) == 1
    assert in_turns.main([str(folder), "--out", str(out)]) == 1
    assert sorted(measured) == [64, 128, 128]
    assert "own other: took too long" in capsys.readouterr().err
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line.get("speed") for line in lines if line["problems"][0]["m"] == 64] == [1.5]


def test_no_folder_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_turns.main(["nowhere"]) == 2
    assert capsys.readouterr().err == "nowhere holds no runs; name the runs/ of `make evidence`\n"
