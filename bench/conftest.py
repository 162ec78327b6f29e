"""One fixture for every benchmark of a kernel, and figures in their own units beside pytest-benchmark's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from immabench.measure.case import Job, run_job
from immabench.measure.rows import Row
from immabench.measure.timer import Criterion

FIGURES: list[str] = []
ONCE = Criterion(max_samples=3, max_seconds=0.0)
"""Benchmarks that are not enabled run as tests: as few launches as there can be."""


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Record one line for the summary at the end of the session."""
    return FIGURES.append


class DeviceClock:
    """A clock that only launches advance, by the time the device took; pytest-benchmark reads nothing else.

    Wall time around a launch on a GPU is the time to queue it: so the one timer measures, and tells its samples here.
    """

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        """Seconds of device time since the session began."""
        return self._now

    def advance(self, microseconds: float) -> None:
        """Let `microseconds` of device time pass."""
        self._now += microseconds / 1e6


CLOCK = DeviceClock()

TimeJob = Callable[[Job], Row]


@pytest.fixture
def time_job(benchmark: BenchmarkFixture) -> TimeJob:
    """Measure a job as a sweep does - verified, timed cold, verified again - and hand every sample to pytest-benchmark.

    Returns the row; anything but "ok" fails the benchmark with the row's reason. `extra_info` holds the whole row.
    """

    def run(job: Job) -> Row:
        outcome = run_job(job, criterion=Criterion() if benchmark.enabled else ONCE)
        assert outcome.row.status == "ok", f"{outcome.row.status}: {outcome.row.reason}"
        benchmark.group = f"{job.problem.key}@{job.device_kind}"
        samples = iter(outcome.times_us)
        benchmark.pedantic(lambda: CLOCK.advance(next(samples)), rounds=len(outcome.times_us), iterations=1)
        benchmark.extra_info.update(outcome.row.model_dump(mode="json", exclude={"counts", "hazards"}))
        return outcome.row

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Benchmarks of jobs run on the device clock."""
    for item in items:
        if "time_job" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=CLOCK))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """What `run.json` says of the machine, under one key of pytest-benchmark's file."""
    from immabench.hardware import machine_summary
    from immabench.kernels import native

    machine_info["immabench"] = {**machine_summary(), "build": native().build_info()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("figures")
        for line in FIGURES:
            terminalreporter.write_line(line)
