"""The goals from a bundle of made-up rows: ratios, shares, totals and cliffs by hand, and what is missing said."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest

from immabench.measure.case import Job, timing_values
from immabench.measure.plan import Selection, make_plan
from immabench.measure.timer import Timing
from immabench.problems import Problem, conv_problem

BENCH = Path(__file__).parents[2] / "bench"
spec = importlib.util.spec_from_file_location("goals", BENCH / "goals.py")
assert spec
assert spec.loader
goals = importlib.util.module_from_spec(spec)
sys.modules["goals"] = goals
spec.loader.exec_module(goals)

OWN: dict[str, Any] = {"cases": ["ours*"], "kernels": ["own*"]}
OTHER: dict[str, Any] = {"cases": ["theirs*"], "kernels": ["other*"]}


def row(case: str, kernel: str, problem: Problem, time_us: float, calls: int = 1, **values: Any) -> dict[str, Any]:
    """A row as a CSV has it; every sample took so long."""
    job = Job("goals", case, calls, problem, "made up", kernel, "cuda")
    timing = timing_values(problem, Timing((time_us,) * 9, "rotated"), {})
    made: dict[str, Any] = job.row("ok", **timing).model_copy(update=values).model_dump()
    return made


def bundle(folder: Path, rows: list[dict[str, Any]], **evidence: Any) -> Path:
    pandas.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    (folder / "evidence.json").write_text(json.dumps(evidence))
    return folder


def measured(folder: Path, kind: str, **goal: Any) -> Any:
    evidence = json.loads((folder / "evidence.json").read_text())
    return goals.KINDS[kind]({"kind": kind, **goal}, goals.rows_of(folder), evidence)


def square(size: int) -> Problem:
    return Problem(size, size, size)


def test_speed_is_the_geometric_mean_of_the_fastest_with_its_bound(tmp_path: Path) -> None:
    rows = [
        row("ours a", "own_1", square(64), 9.0),
        row("ours a", "own_2", square(64), 5.0),
        row("ours b", "own_1", square(128), 10.0),
        row("theirs a", "other", square(64), 10.0),
        row("theirs b", "other", square(128), 80.0),
        # Neither a wrong row, nor packing, nor an emulated one, nor a shape of one side alone counts.
        row("ours a", "own_3", square(64), 0.1, status="incorrect"),
        row("ours a", "own_pack", square(64), 0.1, step="pack"),
        row("ours a", "own_1", square(64), 0.1, device_kind="emulated"),
        row("ours c", "own_1", square(256), 1.0),
    ]
    found = measured(bundle(tmp_path, rows), "speed", own=OWN, other=OTHER)
    assert found.value == pytest.approx(4.0)  # of 2 and 8
    # Two logarithms, 2 log 2 apart around log 4: their standard error is log 2, and t of one degree of freedom 6.314.
    assert found.bound == pytest.approx(4.0 / 2.0**6.314)
    assert found.shapes == 2


def test_a_range_of_rows_and_no_bound_of_one_shape(tmp_path: Path) -> None:
    rows = [row("ours", "own", Problem(m, 64, 64), 2.0 * m) for m in (1, 16, 64)]
    found = measured(bundle(tmp_path, rows), "total_us", own={**OWN, "m": [1, 16]})
    assert (found.value, found.bound, found.shapes) == (34.0, 34.0, 2)
    evidence: dict[str, Any] = {"ceilings": {"copy_gbps": 4000.0}}
    share = measured(bundle(tmp_path, rows, **evidence), "bandwidth", own={**OWN, "m": [1, 1]})
    assert share.value == pytest.approx(Problem(1, 64, 64).bytes_moved / 2e-6 / 1e9 / 4000.0)
    assert share.bound is None


def test_the_share_of_the_limit_counts_every_call(tmp_path: Path) -> None:
    first, second = conv_problem("1x8x8x64_f3_p1", 64), conv_problem("1x4x4x64_f3_p1", 64)
    rows = [row("ours 1", "own", first, 10.0, calls=3), row("ours 2", "own", second, 20.0)]
    peak = {"name": "made up", "operand_type": "s8", "accumulator": "s32", "status": "native", "rate": 1.0}
    ceilings = {"instructions": [peak], "copy_gbps": 1e9, "read_gbps": None}
    found = measured(bundle(tmp_path, rows, ceilings=ceilings), "limit", own=OWN)
    least = (3 * first.operations + second.operations) / 1e6  # us at 1e12 operations a second
    assert found.value == pytest.approx(least / (3 * 10.0 + 20.0))


def test_a_cliff_is_the_largest_step_at_an_edge(tmp_path: Path) -> None:
    times = {16: 10.0, 17: 19.0, 64: 20.0, 65: 22.0, 256: 90.0}
    folder = bundle(tmp_path, [row("ours", "own", Problem(m, 64, 64), time) for m, time in times.items()])
    assert measured(folder, "cliff", own=OWN, edges=[16, 17, 64, 65]).value == pytest.approx(1.9)
    assert measured(folder, "cliff", own=OWN, edges=[16, 17, 128, 129]).missing == "no right row of M = 128, 129"


def test_counts_and_predictions_come_from_the_evidence(tmp_path: Path) -> None:
    found = [
        {"within": True, "reason": "none is expected"},
        {"within": False, "reason": "fewer: loads that hit L1"},
        {"within": False, "reason": "none is expected: every instruction is counted"},
    ]
    folder = bundle(tmp_path, [row("x", "x", square(8), 1.0)], counts=found, predicted_over_measured=[0.5, 0.5, 2.0])
    assert measured(folder, "counts").value == pytest.approx(2 / 3)
    guess = measured(folder, "prediction")
    assert (guess.value, guess.bound) == (0.5, None), "of three no order statistic is a bound with 95 %"


def test_the_error_of_predictions_is_a_median_with_its_bound(tmp_path: Path) -> None:
    """Of five, the largest is above the median with 1 - 1/32."""
    ratios = [1.1, 0.8, 1.3, 0.6, 1.5]
    folder = bundle(tmp_path, [row("x", "x", square(8), 1.0)], predicted_over_measured=ratios)
    found = measured(folder, "prediction")
    assert (found.value, found.bound) == (pytest.approx(0.3), pytest.approx(0.5))


def test_the_share_at_the_clock(tmp_path: Path) -> None:
    """1024 operations a clock of each of 100 SMs at 1500 MHz are 153.6e12 a second."""
    problem = square(4096)
    rows = [
        row("ours", "own", problem, problem.operations / 76.8e6, sm_clock_mhz=1500.0),
        row("ours no clock", "own", square(64), 1.0),
    ]
    entry = {"name": "made up", "cores": 100}
    folder = bundle(tmp_path, rows, ceilings={"instructions": [entry, {**entry, "cores": 1}]})
    found = measured(folder, "clock_share", own=OWN, operations_per_clock=1024)
    assert (found.value, found.shapes) == (pytest.approx(0.5), 1)
    (tmp_path / "evidence.json").write_text("{}")
    missing = measured(tmp_path, "clock_share", own=OWN, operations_per_clock=1024).missing
    assert missing == "the number of SMs is not known: no ceilings"


def test_what_was_timed_in_turns_is_what_counts(tmp_path: Path) -> None:
    shapes = [square(64), square(128)]
    rows = [row("ours", "own", one, 10.0) for one in shapes] + [row("theirs", "other", one, 20.0) for one in shapes]
    turn = {"kernels": ["own", "other"], "problems": [square(64).as_dict()] * 2, "speed": 8.0, "interval": [7.9, 8.1]}
    hung = {**turn, "problems": [square(128).as_dict()] * 2, "reason": "took more than 60 s"}
    del hung["speed"]
    folder = bundle(tmp_path, rows, in_turns=[turn, hung])
    found = measured(folder, "speed", own=OWN, other=OTHER)
    assert (found.value, found.in_turns) == (pytest.approx(4.0), 1)  # of 8 and 2
    goal = {"name": "one", "kind": "speed", "own": OWN, "other": OTHER}
    assert "| 4.000x | " in goals.table(folder, [goal])
    assert "| 2, 1 in turns | " in goals.table(folder, [goal])


@pytest.mark.parametrize(
    ("kind", "value", "bound", "expected"),
    [
        ("speed", 1.3, 1.25, "beyond"),
        ("speed", 1.3, 1.1, "reached"),
        ("speed", 1.3, 0.9, "missed"),
        ("total_us", 0.9, 1.0, "reached"),
        ("total_us", 2.0, 2.1, "missed"),
    ],
)
def test_the_bound_is_what_is_judged(kind: str, value: float, bound: float, expected: str) -> None:
    goal = {"kind": kind, "target": 1.0, "beyond": 1.2 if kind == "speed" else 0.5}
    assert goals.verdict(goal, goals.Measured(value, bound)) == expected
    assert goals.verdict({"kind": kind}, goals.Measured(value, bound)) == ""


def test_nothing_measured_is_said_of_every_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evidence.json").write_text("{}")
    assert goals.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    held = goals.load_goals()["goals"]
    assert len(lines) == 2 + len(held)
    assert sum("not measured: " in line for line in lines) == len(held)
    assert goals.main([str(tmp_path / "nowhere")]) == 2


def test_every_goal_has_rows_that_a_sweep_will_make() -> None:
    """Globs of cases name cases of the suite; those of kernels name kernels that there are."""
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    held = goals.load_goals()
    for sweep in held["sweeps"]:
        if sweep["provider"] == "handwritten":
            kernels = tuple(sweep.get("kernels", ()))
            plan = make_plan(
                Selection(("goals",), cases=tuple(sweep["cases"]), kernels=kernels, providers=("handwritten",))
            )
            assert plan, sweep["name"]
    swept = {(case, sweep["provider"]) for sweep in held["sweeps"] for case in sweep["cases"]}
    for goal in held["goals"]:
        for side in ("own", "other"):
            for glob in goal.get(side, {}).get("cases", ()):
                assert any(case == glob for case, _ in swept), goal["name"]
        assert goal["kind"] in goals.KINDS


def test_students_t_is_that_of_the_handbook() -> None:
    """By the integral of its density, which is not how the table was made."""

    def density(t: float, freedom: int) -> float:
        gamma = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
        return math.exp(gamma) / math.sqrt(freedom * math.pi) * (1 + t * t / freedom) ** (-(freedom + 1) / 2)

    for freedom, t in enumerate(goals.STUDENT_95, 1):
        steps = 20_000
        width = t / steps
        area = sum(density((i + 0.5) * width, freedom) for i in range(steps)) * width
        assert 0.5 + area == pytest.approx(0.95, abs=5e-5), freedom
