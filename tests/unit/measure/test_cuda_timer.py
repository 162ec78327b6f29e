"""Timing by CUDA events, on a made-up GPU: what is measured is the GPU's time, and a launch that waits is refused."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import ImmabenchError
from immabench.measure.cuda_timer import BATCHED_LAUNCHES, CUDA_EVENTS, CudaBallast, CudaTimer, make_ready, with_batched
from immabench.measure.telemetry import NoTelemetry
from immabench.measure.timer import Criterion, Timing

QUICK = Criterion(min_samples=4, max_samples=8, min_seconds=0.0, max_seconds=5.0)


def timer(criterion: Criterion = QUICK) -> CudaTimer:
    return CudaTimer(criterion, CudaBallast(0), NoTelemetry())


def test_it_measures_the_gpu_and_not_the_host(gpu: Any) -> None:
    timing = timer().time([lambda: gpu.queue(7.0, host_us=20.0)])
    assert timing.times_us == pytest.approx((7.0,) * 8)
    assert (timing.timed_by, timing.l2_state, timing.stopped_by) == (CUDA_EVENTS, "rotated", "noise")
    assert timing.batched_us == pytest.approx(7.0)


def test_it_rotates_over_the_sets(gpu: Any) -> None:
    timing = timer().time([lambda: gpu.queue(10.0), lambda: gpu.queue(30.0)])
    assert timing.times_us == pytest.approx((10.0, 30.0) * 4)
    assert timing.batched_us == pytest.approx(20.0)


def test_a_launch_that_waits_is_refused(gpu: Any) -> None:
    def launch() -> None:
        gpu.queue(7.0)
        gpu.synchronize()

    with pytest.raises(ImmabenchError, match=r"^the launch waits for the GPU.*; a provider's launch queues"):
        timer().time([launch])


def test_a_host_that_was_slow_once_is_not_taken_for_waiting(gpu: Any) -> None:
    hosts = iter([5.0, 5.0, 6000.0])
    make_ready([lambda: gpu.queue(7.0, next(hosts, 5.0))], 1.0)
    assert next(hosts, None) is None  # it was slower than the first spin of 5000 us


def test_back_to_back_is_not_measured_where_the_host_cannot_keep_up(gpu: Any) -> None:
    host_us = 2 * 5000.0 / BATCHED_LAUNCHES
    found = with_batched(Timing((7.0,) * 4, "rotated"), [lambda: gpu.queue(7.0, host_us)])
    assert found.batched_us is None


@pytest.mark.parametrize(("time_us", "launches"), [(1.0, BATCHED_LAUNCHES), (5000.0, 10), (1e6, 2)])
def test_few_long_launches_or_many_short_ones_are_queued(gpu: Any, time_us: float, launches: int) -> None:
    with_batched(Timing((time_us,), "rotated"), [lambda: gpu.queue(time_us)])
    assert len(gpu.streams) == 3 * (1 + launches)  # each behind a spin
