"""Every planted cheat is caught by what the measurement does as a matter of course; the honest twin passes."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from types import ModuleType

import pytest

from immabench.measure import timer
from immabench.measure.case import Job, run_job
from immabench.measure.rows import Row
from immabench.measure.timer import Criterion
from immabench.problems import Problem
from immabench.providers.base import Step


def _load_cheats() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cheats", Path(__file__).with_name("cheats.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cheats = _load_cheats()
PROBLEM = Problem(256, 256, 512)
FAST = Criterion(max_samples=20, max_seconds=0.2)


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.measure.case.load_provider", lambda name: cheats.CheatingProvider())
    monkeypatch.setattr(cheats.WarmOperands, "first", None)


def measure(name: str, problem: Problem = PROBLEM, step: Step = "compute") -> Row:
    return run_job(Job("honesty", name, 1, problem, "cheating", name, "cpu", step=step), criterion=FAST).row


def test_the_honest_twin_passes() -> None:
    row = measure("HonestLaunch")
    assert (row.status, row.reason, row.verified) == ("ok", "", True)


# cheat -> which look finds it: before any timing, at what the timed launches left, or on fresh activations
FOUND = {
    "CachedOutput": "after timing: operand set 0, fresh activations: ",
    "DoneOnce": "after timing: operand set 0, fresh activations: ",
    "CapturedOperands": "after timing: operand set 0, fresh activations: ",
    "WarmOperands": "after timing: operand set ",
    "LazyOutput": "65536 of 65536 elements differ",
    "AnotherThread": "65536 of 65536 elements differ",
    "SkippedTile": "128 of 65536 elements differ, first C[0,0] is 1515870810",
    "ZeroedTile": "128 of 65536 elements differ, first C[0,0] is 0",
    "ZeroedOperands": "",
    "MultipliesLater": "65536 of 65536 elements differ",
}

PACKING_FOUND = {
    "PacksNothing": "65536 of 65536 elements differ",
    "PacksWhenPrepared": "after timing: operand set 0, fresh activations: ",
    "PacksOnce": "after timing: operand set 0, fresh activations: ",
    "PacksHalf": "32768 of 65536 elements differ",
}


def test_every_cheat_is_tried() -> None:
    assert set(FOUND) == set(cheats.CHEATS)
    assert set(PACKING_FOUND) == set(cheats.PACKING_CHEATS)


@pytest.mark.parametrize("name", FOUND)
def test_a_cheating_provider_is_caught(name: str) -> None:
    row = measure(name)
    assert (row.status, row.verified) == ("incorrect", False), row.reason
    assert row.reason.startswith(FOUND[name])


def test_the_honest_packing_passes_without_a_rate() -> None:
    row = measure("HonestPacking", step="pack")
    assert (row.status, row.reason, row.verified, row.step) == ("ok", "", True, "pack")
    assert row.time_us_median
    assert (row.tops, row.gbps, row.pct_roof) == (None, None, None)


@pytest.mark.parametrize("name", PACKING_FOUND)
def test_a_packing_step_that_does_not_pack_is_caught(name: str) -> None:
    row = measure(name, step="pack")
    assert (row.status, row.verified) == ("incorrect", False), row.reason
    assert row.reason.startswith(PACKING_FOUND[name])


def test_zeros_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.measure.trial.make_operands", cheats.zeros)
    row = measure("HonestLaunch")
    assert (row.status, row.time_us_median) == ("error", None)
    assert row.reason == "a does not cover the range of int8; measure on random full-range operands"


def test_a_clock_patched_by_a_provider_is_not_the_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.perf_counter_ns
    monkeypatch.setattr(time, "perf_counter_ns", lambda: real() // 2)
    row = measure("HonestLaunch")
    assert row.status == "ok"


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_timer_whose_clock_runs_wrong_is_not_believed(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    real = timer.clock_ns
    monkeypatch.setattr(timer, "clock_ns", lambda: int(real() * factor))
    row = measure("HonestLaunch")
    assert row.status == "invalid"
    assert "the timer's clock counted" in row.reason


def test_a_time_below_the_physical_floor_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.measure.case.physical_peak_tops", lambda device, data_type: 1e-9)
    assert measure("HonestLaunch").status == "invalid"


def test_operand_sets_and_ballast_are_cold() -> None:
    """A rotation touches three times the cache, whatever the problem's size; see tests/unit/measure/test_timer.py."""
    for problem in (Problem(16, 16, 16), PROBLEM, Problem(4096, 4096, 4096)):
        cache = 32 << 20
        sets = timer.operand_sets(problem.bytes_moved, cache)
        assert sets * (problem.bytes_moved + timer.ballast_bytes(problem.bytes_moved, cache)) >= 3 * cache
