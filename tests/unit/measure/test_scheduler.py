"""Which jobs run where on a scheduler, what its answers become, and what is refused. Real dask workers: tests/e2e."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from immabench.errors import ImmabenchError, UsageError
from immabench.measure import scheduler
from immabench.measure.case import Job
from immabench.measure.plan import Planned
from immabench.measure.run_folder import RunFolder
from immabench.measure.scheduler import RunningScheduler, Tagged, connect, local_workers
from immabench.measure.sweep import Limits, remaining, run_sweep
from immabench.measure.worker_process import WorkerProcess
from immabench.problems import Problem

LIMITS = Limits(timeout_seconds=5.0, measure_ceilings=False)


class Backwards:
    """A scheduler that answers the last request first, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def answers(self, kind: str, requests: Iterable[Tagged], timeout_seconds: float) -> Iterator[Tagged]:
        waiting = list(requests)
        self.asked.append((kind, [request["job"]["kernel_id"] for _, request in waiting]))
        for number, request in reversed(waiting):
            row = Job.from_dict(request["job"]).row("ok", device="one GPU", pct_roof=50.0)
            yield number, {"row": row.model_dump(mode="json"), "times_us": []}


def planned(kernel: str, device: str = "emulated", suite: str = "suite", skip: str = "") -> Planned:
    return Planned(Job(suite, f"case {kernel}", 1, Problem(8, 8, 8), "provider", kernel, device), skip)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", meta={"ceilings": None})


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels the client's own worker process is asked for; each is ok."""
    asked: list[str] = []

    def ask(self: WorkerProcess, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        job = Job.from_dict(request["job"])
        asked.append(job.kernel_id)
        return {"row": job.row("ok").model_dump(mode="json"), "times_us": []}

    monkeypatch.setattr(WorkerProcess, "ask", ask)
    return asked


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench.measure import sweep

    monkeypatch.setattr(sweep, "device_of", lambda kind: SimpleNamespace(name="one GPU"))


def test_timed_cpu_jobs_go_first_then_each_kind_alone(folder: RunFolder, lane: list[str], one_gpu: None) -> None:
    plan = [planned("e"), planned("c", "cpu"), planned("g", "cuda"), planned("d", "cpu"), planned("f")]
    pool = Backwards()
    rows = list(run_sweep([*plan, planned("s", skip="why")], folder, LIMITS, pool))
    assert lane == ["c", "d"]
    assert pool.asked == [("cuda", ["g"]), ("emulated", ["e", "f"])]
    assert [row.kernel_id for row in rows] == ["s", "c", "d", "g", "f", "e"]
    assert rows == folder.rows()
    assert remaining(plan, folder) == []


def test_a_problem_two_suites_ask_for_runs_once(folder: RunFolder, lane: list[str], one_gpu: None) -> None:
    pool = Backwards()
    plan = [planned(name, suite=suite) for suite in ("one", "two") for name in ("e", "f")]
    list(run_sweep(plan, folder, LIMITS, pool))
    assert pool.asked == [("emulated", ["e", "f"])]
    assert remaining(plan, folder) == []
    third = [planned("f", suite="three")]
    (row,) = run_sweep(third, folder, LIMITS, pool)
    assert len(pool.asked) == 1
    assert row.suite == "three"


def test_another_gpu_has_no_share_of_this_roof(
    folder: RunFolder, lane: list[str], one_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from immabench.measure import sweep

    (same,) = run_sweep([planned("g", "cuda")], folder, LIMITS, Backwards())
    monkeypatch.setattr(sweep, "device_of", lambda kind: SimpleNamespace(name="another GPU"))
    (other,) = run_sweep([planned("h", "cuda")], folder, LIMITS, Backwards())
    assert (same.pct_roof, other.pct_roof) == (50.0, None)


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImmabenchError, match=r"pip install 'immabench\[scale\]'"), connect("local"):
        pass


@pytest.mark.parametrize("where", ["here", "127.0.0.1:8786", "tcp://host", "tcp://host:port", "http://host:1"])
def test_what_is_no_address_is_said(where: str) -> None:
    pytest.importorskip("distributed", reason="needs immabench[scale]")
    with pytest.raises(UsageError, match="give local or tcp://host:port"), connect(where):
        pass


def test_one_worker_a_gpu_and_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs immabench[scale]")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, 3")
    monkeypatch.setattr(scheduler, "usable_cores", lambda: [2, 5, 6, 7])
    gpus = [worker["options"] for worker in local_workers("cuda").values()]
    assert [options["env"]["CUDA_VISIBLE_DEVICES"] for options in gpus] == ["GPU-a", "3"]
    assert {options["env"]["OMP_NUM_THREADS"] for options in gpus} == {2}
    assert list(local_workers("emulated")) == [f"immabench-core-{core}" for core in (2, 5, 6, 7)]


def test_workers_that_cannot_serve_are_refused() -> None:
    from immabench import __version__

    def with_workers(*gpus: str, version: str = __version__) -> RunningScheduler:
        workers = {f"tcp://{n}": {"host": "h", "version": version, "gpus": gpu} for n, gpu in enumerate(gpus)}
        client: Any = SimpleNamespace(run=lambda function, **options: workers, status="closed")
        return RunningScheduler(client, "tcp://s:1")

    with pytest.raises(ImmabenchError, match="has no worker; start some: dask worker tcp://s:1"):
        with_workers()
    with pytest.raises(ImmabenchError, match=r"has immabench 0\.0, this is"):
        with_workers("0", version="0.0")
    with_workers("0", "1")._check_gpus()
    for gpus in (("", ""), ("1", "1,0"), ("0", "")):
        with pytest.raises(ImmabenchError, match="share GPU"):
            list(with_workers(*gpus).answers("cuda", [], 1.0))
