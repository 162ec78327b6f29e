"""Timing in turns: orders, operand sets, when it stops, and what cancels. Most times are made up: no noise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from immabench.errors import ImmabenchError, UsageError
from immabench.measure.ab import (
    Goal,
    Launch,
    Paired,
    block_log_ratios,
    prepare,
    run_ab,
    time_in_turns,
    timed_provider,
)
from immabench.measure.statistics import Estimate, judge
from immabench.measure.stopwatch import CpuStopwatch
from immabench.measure.timer import Ballast
from immabench.problems import Problem
from immabench.providers.reference import ReferenceProvider

PROBLEM = Problem(8, 8, 8)


class FakeStopwatch:
    """Times launches by a function of (what the launch returns, how many came before), in microseconds."""

    BLOCKS = 1

    def __init__(self, time_us: Callable[[str, int], float]) -> None:
        self.seen: list[str] = []
        self._time_us = time_us

    def ready(self, launches: Sequence[Launch]) -> list[Launch]:
        return list(launches)

    def times(self, launches: Sequence[Launch]) -> list[float]:
        return [self._timed(launch) for launch in launches]

    def _timed(self, launch: Launch) -> float:
        name = str(launch())  # type: ignore[func-returns-value]
        self.seen.append(name)
        return self._time_us(name, len(self.seen) - 1)


def launches(side: str, sets: int) -> list[Launch]:
    return [lambda name=f"{side}{index}": name for index in range(sets)]  # type: ignore[misc]


def timed(time_us: Callable[[str, int], float], goal: Goal, sets: int = 3, seed: int = 0) -> tuple[Paired, list[str]]:
    stopwatch = FakeStopwatch(time_us)
    paired = time_in_turns(launches("A", sets), launches("B", sets), stopwatch, goal, seed)
    return paired, stopwatch.seen


def test_blocks_are_balanced_in_random_order_and_sets_rotate() -> None:
    paired, seen = timed(lambda name, _: 2.0 if name[0] == "B" else 1.0, Goal(max_pairs=200, first_look=1000))
    assert paired.stopped == "200 pairs"
    assert set(paired.pairs) == {(1.0, 2.0)}
    blocks = ["".join(name[0] for name in seen[at : at + 4]) for at in range(0, len(seen), 4)]
    assert set(blocks) == {"ABBA", "BAAB"}
    assert 30 <= blocks.count("ABBA") <= 70
    assert [int(name[1]) for name in seen[:12:2]] == [int(name[1]) for name in seen[1:12:2]] == [0, 1, 2, 0, 1, 2]


def test_the_order_is_the_seeds() -> None:
    goal = Goal(max_pairs=64, first_look=1000)
    assert timed(lambda *_: 1.0, goal, seed=3)[1] == timed(lambda *_: 1.0, goal, seed=3)[1]
    assert timed(lambda *_: 1.0, goal, seed=3)[1] != timed(lambda *_: 1.0, goal, seed=4)[1]


def test_it_stops_when_precise_and_not_when_significant() -> None:
    steady, _ = timed(lambda *_: 1.0, Goal())
    assert (steady.stopped, len(steady.pairs)) == ("precise enough", 64)
    noise = random.Random(1)
    # 30 % apart is plain after 64 pairs; measuring goes on until the ratio is known to a quarter of the threshold.
    apart, _ = timed(lambda name, _: noise.uniform(0.9, 1.1) * (1.3 if name[0] == "B" else 1.0), Goal())
    assert apart.stopped == "precise enough"
    assert len(apart.pairs) > 64
    interval = apart.ratio.interval
    assert interval is not None
    assert math.log(interval[1] / interval[0]) <= 2 * 0.02 / 4
    assert interval[0] < 1.3 < interval[1]


def test_the_time_budget_holds_even_before_the_first_look() -> None:
    paired, _ = timed(lambda *_: 1.0, Goal(max_seconds=0.0))
    assert (paired.stopped, len(paired.pairs)) == ("time budget", 2)
    assert judge(paired.ratio)[0] == "INCONCLUSIVE"


def test_a_cost_of_going_second_and_linear_drift_cancel() -> None:
    def time_us(_: str, count: int) -> float:
        return (1.07 if count % 2 else 1.0) * math.exp(1e-3 * count)

    paired, _ = timed(time_us, Goal(max_pairs=400, first_look=1000))
    assert block_log_ratios(paired.pairs) == pytest.approx([0.0] * 200, abs=1e-12)
    assert paired.ratio.value == pytest.approx(1.0)


def test_looks_grow_by_half() -> None:
    goal = Goal(max_pairs=100)
    assert [goal.next_look(64), goal.next_look(96)] == [96, 100]
    assert not goal.reached(Estimate(1.0, None))


def test_warming_up_slow_launches_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(CpuStopwatch, "WARM_SECONDS", 0.0)
    assert len(CpuStopwatch(Ballast(0)).ready([lambda: calls.append(1)] * 5)) == 5
    assert len(calls) == 1


def test_the_wall_clock_times_each_launch() -> None:
    calls: list[int] = []
    stopwatch = CpuStopwatch(Ballast(1 << 16))
    ready = stopwatch.ready([lambda: calls.append(1)])
    times = stopwatch.times(ready * 3)
    assert len(calls) == 4
    assert all(time > 0 for time in times)


class TestSides:
    def test_two_right_sides(self, fake_native: object, misbehaving: str) -> None:
        result = run_ab("reference_numpy", "good", PROBLEM, goal=Goal(max_seconds=0.02))
        assert (result.first.config_id, result.second.backend) == ("reference_numpy", "misbehaving:good")
        assert len(result.paired.pairs) >= 2

    def test_sides_may_be_asked_for_different_types(self, fake_native: object, misbehaving: str) -> None:
        other = Problem(8, 8, 8, output_type="f32", col_scale="vector")
        result = run_ab("reference_numpy", "good", PROBLEM, goal=Goal(max_seconds=0.02), other=other)
        assert (result.first.problem, result.second.problem) == (PROBLEM, other)

    def test_a_wrong_side_is_never_timed(self, fake_native: object, misbehaving: str) -> None:
        with pytest.raises(ImmabenchError, match="wrong is wrong, ") as caught:
            run_ab("good", "wrong", PROBLEM)
        assert caught.value.exit_code == 1

    def test_a_side_that_turns_wrong_is_found_after_timing(
        self, fake_native: object, install_provider: Callable[[str, str], object]
    ) -> None:
        install_provider("fading", FADING)
        with pytest.raises(ImmabenchError, match="fades is wrong, after timing: "):
            run_ab("reference_numpy", "fades", PROBLEM, goal=Goal(max_seconds=0.02))

    def test_a_slow_side_is_slower(self, fake_native: object, misbehaving: str) -> None:
        result = run_ab("good", "slow", PROBLEM, goal=Goal(max_seconds=60.0, max_pairs=20))
        assert result.verdict == ("SLOWER", "")

    def test_operand_sets_of_both_sides_are_made_in_mixed_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else the memory of one side differs systematically from that of the other, and so do its times."""
        made: list[str] = []
        monkeypatch.setattr("immabench.measure.trial.Trial", lambda *args: RecordedTrial(made, args[2]))
        sides = prepare([(ReferenceProvider(), "A", PROBLEM), (ReferenceProvider(), "B", PROBLEM)], "cpu", 0, 50)
        assert [len(side.launches) for side in sides] == [50, 50]
        assert 15 <= made[2:52].count("A") <= 35  # after one of each to verify, half of the sets

    def test_emulation_has_no_time(self, fake_native: object) -> None:
        with pytest.raises(UsageError, match="without a GPU it is emulated"):
            timed_provider("imma_s8s8s32_64x64x64_w2x2_s4_sm80", "cpu")

    def test_a_problem_a_side_cannot_compute(
        self, fake_native: object, install_provider: Callable[[str, str], object]
    ) -> None:
        install_provider("fading", FADING)
        with pytest.raises(UsageError, match=r"even_only cannot compute .*: M must be even"):
            run_ab("reference_numpy", "even_only", Problem(3, 8, 8))

    def test_packing_is_not_timed_against_a_product(self, fake_native: object, torch_installed: None) -> None:
        with pytest.raises(
            UsageError, match="torch_int4_pack packs weights and computes nothing; time it by `immabench"
        ):
            run_ab("torch_int8", "torch_int4_pack", Problem(64, 64, 64))


class RecordedTrial:
    """Stands for a trial and records whose it is."""

    problem = PROBLEM

    def __init__(self, made: list[str], config_id: str) -> None:
        made.append(config_id)
        self.launchable = SimpleNamespace(timed=True, backend="none")

    def launch(self) -> None: ...

    def judge(self) -> str:
        return ""


FADING = """
from immabench.providers.base import Availability, Candidate
from immabench.providers.reference import ReferenceProvider

class Provider(ReferenceProvider):
    name = "fading"
    IDS = ("fades", "even_only")
    def config_ids(self):
        return self.IDS
    def configs(self, problem, device):
        return [Candidate("fades"), Candidate("even_only", "M must be even" if problem.m % 2 else None)]
    def prepare(self, config_id, buffers):
        inner = super().prepare(config_id, buffers)
        original, state = inner.launch, {"launches": 0}
        def launch():
            original()
            state["launches"] += 1
            if state["launches"] > 1:
                buffers.out[...] = 0
        inner.launch = launch
        return inner
"""
