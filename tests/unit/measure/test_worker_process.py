"""The worker survives nothing, the sweep's side of it everything."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict
from typing import Any

import pytest

from immabench.measure.case import Job
from immabench.measure.timer import Criterion
from immabench.measure.worker_process import WorkerCrashError, WorkerProcess, WorkerTimeoutError
from immabench.problems import Problem


def request(kernel: str, provider: str = "misbehaving") -> dict[str, Any]:
    job = Job("suite", "case", 1, Problem(8, 8, 8), provider, kernel, "cpu")
    how = {"criterion": asdict(Criterion(max_samples=3)), "timer": "auto"}
    return {"do": "row", "job": job.as_dict(), "ceilings": None, **how}


def test_crashes_and_hangs_cost_one_answer_each(misbehaving: str) -> None:
    with WorkerProcess() as worker:
        assert worker.ask(request("good"), 60)["row"]["status"] == "ok"
        with pytest.raises(WorkerCrashError, match="killed by SIGSEGV"):
            worker.ask(request("segfault"), 60)
        with pytest.raises(WorkerCrashError, match="exited with code 3"):
            worker.ask(request("exit"), 60)
        with pytest.raises(WorkerTimeoutError):
            worker.ask(request("hang"), 3)
        assert worker.ask(request("good"), 60)["row"]["status"] == "ok"


def test_one_process_serves_many_requests_and_noise_does_no_harm(misbehaving: str) -> None:
    with WorkerProcess() as worker:
        assert worker.ask(request("chatty"), 60)["row"]["status"] == "ok"
        first = worker._process
        assert worker.ask(request("good"), 60)["row"]["backend"] == "misbehaving:good"
        assert worker._process is first


def test_a_worker_killed_between_requests_is_replaced(misbehaving: str) -> None:
    with WorkerProcess() as worker:
        worker.ask(request("good"), 60)
        assert worker._process is not None
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        assert worker.ask(request("good"), 60)["row"]["status"] == "ok"


def test_a_request_the_worker_does_not_understand_is_answered(misbehaving: str) -> None:
    with WorkerProcess() as worker:
        assert worker.ask({"do": "row"}, 60) == {"error": "KeyError: 'job'"}


def test_stopping_ends_the_process(misbehaving: str) -> None:
    with WorkerProcess() as worker:
        worker.ask(request("good"), 60)
        process = worker._process
    assert process is not None
    assert process.poll() == -signal.SIGKILL
    worker.stop()
