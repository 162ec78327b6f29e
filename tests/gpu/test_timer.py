"""nvbench and CUDA events on the same launches of a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.measure.cuda_timer import Batch
from immabench.measure.nvbench_timer import OpenRun, open_run
from immabench.measure.timer import Criterion, Timing
from immabench.measure.timers import make_timer

SIZE = 4096
BYTES = 3 * 2 * SIZE * SIZE
"""Of fp16 A, B and C."""

CRITERION = Criterion(max_seconds=2.0)


@pytest.fixture(scope="module")
def launches() -> list[Callable[[], None]]:
    """Products of square matrices, one an operand set."""
    import torch

    made = []
    for seed in range(3):
        generator = torch.Generator(device="cuda").manual_seed(seed)
        options: dict[str, Any] = {"device": "cuda", "dtype": torch.float16, "generator": generator}
        a, b = (torch.randn(SIZE, SIZE, **options) for _ in range(2))
        made.append(functools.partial(torch.matmul, a, b, out=torch.empty_like(a)))
    return made


@pytest.fixture(scope="module")
def nvbench_run() -> OpenRun:
    try:
        return open_run()
    except MissingHardwareError as error:
        pytest.skip(str(error))


def timed(launches: list[Callable[[], None]], timer: str) -> Timing:
    return make_timer("cuda", CRITERION, BYTES, timer).time(launches)


def test_nvbench_and_events_agree(launches: Any, nvbench_run: OpenRun) -> None:
    """Within 10 %: the launch is the same, but nvbench lets the GPU idle between samples while events keep its queue
    full, so that the power cap pulls the clock down differently."""
    first, second = timed(launches, "nvbench"), timed(launches, "events")
    assert first.timed_by == nvbench_run.timed_by
    assert (first.l2_state, second.l2_state) == ("flushed", "rotated")
    assert first.median_us == pytest.approx(second.median_us, rel=0.10)


@pytest.mark.parametrize("timer", ["nvbench", "events"])
def test_back_to_back_is_not_slower_than_cold(launches: Any, timer: str, request: pytest.FixtureRequest) -> None:
    """But for the clock, which a full queue may pull down by the power cap: 10 %."""
    if timer == "nvbench":
        request.getfixturevalue("nvbench_run")
    timing = timed(launches, timer)
    assert timing.batched_us is not None
    assert timing.batched_us <= 1.10 * timing.median_us


def test_every_call_of_nvbench_is_a_warm_up_a_sample_or_discarded(launches: Any, nvbench_run: OpenRun) -> None:
    calls: list[int] = []

    def launch() -> None:
        calls.append(1)
        launches[0]()

    taken = nvbench_run.carry_out(lambda state: _on_stream(nvbench_run, state, launch, 20))
    assert len(taken.times_us) == 20
    assert len(calls) == 1 + 20 + taken.discarded


@pytest.mark.parametrize("timer", ["nvbench", "events"])
def test_a_launch_that_waits_costs_itself_only(launches: Any, timer: str, request: pytest.FixtureRequest) -> None:
    import torch

    if timer == "nvbench":
        request.getfixturevalue("nvbench_run")

    def launch() -> None:
        launches[0]()
        torch.cuda.synchronize()

    with pytest.raises(ImmabenchError, match="the launch waits for the GPU"):
        timed([launch], timer)
    assert timed(launches, timer).times_us


def test_nvbench_survives_a_blocked_stream(launches: Any, nvbench_run: OpenRun) -> None:
    """The launch waits only while nvbench blocks its stream: after 5 s that is an error, and the run goes on."""
    import torch

    calls: list[int] = []

    def launch() -> None:
        calls.append(1)
        launches[0]()
        if len(calls) == 3:
            torch.cuda.current_stream().synchronize()

    with pytest.raises(ImmabenchError, match="blocked its stream for 5 s"):
        nvbench_run.carry_out(lambda state: _on_stream(nvbench_run, state, launch, 10))
    assert timed(launches, "nvbench").times_us


def _on_stream(run: OpenRun, state: Any, launch: Callable[[], None], count: int) -> Batch:
    import torch

    with torch.cuda.stream(torch.cuda.ExternalStream(state.get_stream().addressof())):
        return run.sample(state, launch, count, 20.0)
