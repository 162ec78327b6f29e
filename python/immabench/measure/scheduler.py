"""Sweeps on dask.distributed: jobs that may run side by side go to dask workers; the client writes the run folder.

Which jobs may? Timing on one machine must not be disturbed. A timed CPU job uses every core of its host, and its share
of a roof is of the ceilings in `run.json`, which are this machine's. So `sweep.py` runs those first, one after another,
in the client's own worker process, while no dask worker has anything to do (`--scheduler local` has not started any).
Then come the GPU jobs, one at a time on each GPU, then the emulated ones, one at a time on each dask worker. Dask's
resources would order the same jobs, but workers of a running scheduler state none unless whoever started them knew to,
and a job that asks for what nobody offers waits forever.

A dask worker runs jobs in a `WorkerProcess` of its own, kept between jobs: a job that crashes its process is an answer
and costs no dask worker. A dask worker that dies takes its child with it, and dask gives what it had to another.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from immabench import __version__
from immabench.errors import ImmabenchError, UsageError
from immabench.measure.worker_process import WorkerProcess

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"

CONNECT_SECONDS = 5
START_SECONDS = 60
AHEAD = 256
"""Jobs handed to dask at a time: enough that no worker waits, few enough that 100,000 jobs are not held twice."""

PARALLEL_KINDS = ("cuda", "emulated")
"""Device kinds whose jobs run on dask workers, one kind after the other: emulation beside a timed GPU job would take
the cores that launch its kernels."""

Tagged = tuple[int, dict[str, Any]]
"""The number a request was given, and the request or its answer."""


class Scheduler(Protocol):
    """Where the jobs that may run side by side run."""

    def answers(self, kind: str, requests: Iterable[Tagged], timeout_seconds: float) -> Iterator[Tagged]:
        """The answer to each request for jobs of that device kind, as they come, each once."""
        ...


@contextlib.contextmanager
def connect(where: str) -> Iterator[Scheduler]:
    """The scheduler `where`: "local", or `tcp://host:port` of a running dask scheduler.

    Raises ImmabenchError without the package `distributed`, and for workers that cannot serve; UsageError for an
    address that is none, or where nothing answers within CONNECT_SECONDS.
    """
    try:
        import distributed
    except ImportError as error:
        raise ImmabenchError("--scheduler needs the package distributed", "pip install 'immabench[scale]'") from error
    if where != LOCAL and not re.fullmatch(r"tcp://[^/\s]+:\d+", where):
        raise UsageError(f"--scheduler {where} is no scheduler", "give local or tcp://host:port")
    if where == LOCAL:
        yield LocalScheduler()
        return
    # Its log would tell of each attempt to connect, and of the end of a scheduler, beside our one line.
    with _quiet():
        try:
            client = distributed.Client(where, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            remedy = "start one with `dask scheduler`, or use --scheduler local"
            raise UsageError(f"no dask scheduler answers at {where}", remedy) from error
        with client:
            yield RunningScheduler(client, where)


@dataclass(frozen=True)
class LocalScheduler:
    """Dask workers of this machine, started for each device kind: one a GPU, or one a core."""

    def answers(self, kind: str, requests: Iterable[Tagged], timeout_seconds: float) -> Iterator[Tagged]:
        with _local_client(kind) as client:
            yield from ask_workers(client, requests, timeout_seconds)


@dataclass(frozen=True)
class RunningScheduler:
    """The dask workers of a scheduler somebody started; they need this version of immabench."""

    client: Client
    address: str

    def __post_init__(self) -> None:
        self._workers()

    def answers(self, kind: str, requests: Iterable[Tagged], timeout_seconds: float) -> Iterator[Tagged]:
        if kind == "cuda":
            self._check_gpus()
        try:
            yield from ask_workers(self.client, requests, timeout_seconds)
        finally:
            if self.client.status == "running":
                self.client.run(end_child, on_error="ignore")

    def _workers(self) -> dict[str, dict[str, Any]]:
        """What `describe_worker` says on each. Raises ImmabenchError without a worker or with one that differs."""
        try:
            found: dict[str, dict[str, Any]] = self.client.run(describe_worker)
        except Exception as error:
            remedy = f"install immabench {__version__} where the workers run"
            raise ImmabenchError(f"the workers of {self.address} cannot run jobs ({error})", remedy) from error
        if not found:
            raise ImmabenchError(
                f"{self.address} has no worker", f"start some: dask worker {self.address} --nthreads 1"
            )
        for worker, facts in found.items():
            if facts["version"] != __version__:
                text = f"worker {worker} has immabench {facts['version']}, this is {__version__}"
                raise ImmabenchError(text, "install the same version everywhere")
        return found

    def _check_gpus(self) -> None:
        """Raise ImmabenchError where two workers of one host would time on one GPU."""
        seen: dict[tuple[str, str], str] = {}
        for worker, facts in self._workers().items():
            gpu = facts["host"], (facts["gpus"] or "0").split(",")[0]
            if gpu in seen:
                text = (
                    f"workers {seen[gpu]} and {worker} share GPU {gpu[1]} of {gpu[0]}, so each would disturb the other"
                )
                raise ImmabenchError(text, "start one worker a GPU, each with its own CUDA_VISIBLE_DEVICES")
            seen[gpu] = worker


def ask_workers(client: Client, requests: Iterable[Tagged], timeout_seconds: float) -> Iterator[Tagged]:
    """The answers of dask workers to `requests`, as they come. Raises ImmabenchError where the scheduler is lost.

    A worker that dies loses nothing: dask runs again what it had. A job that was on `distributed.scheduler.
    allowed-failures` workers (3, unless configured) as they died is answered as crashed, not tried forever.
    """
    from distributed import as_completed

    waiting = iter(requests)
    asked: dict[Any, Tagged] = {}

    def submit(tagged: Tagged) -> Any:
        future = client.submit(answer_on_worker, tagged[1], timeout_seconds, pure=False)
        asked[future] = tagged
        return future

    first = [submit(one) for one in islice(waiting, AHEAD)]
    done = as_completed(first, loop=client.loop, with_results=True, raise_errors=False)
    first.clear()
    try:
        while asked:
            for future, result in done:
                reply = _reply(future, result)
                yield asked.pop(future)[0], reply
                del future, result  # the last mention: dask forgets the result
                for one in islice(waiting, 1):
                    done.add(submit(one))
            # A result whose worker dies while it is fetched can vanish without a word: it is asked for again.
            for unanswered in [asked.pop(future) for future in list(asked)]:
                done.add(submit(unanswered))
    finally:
        if asked and client.status == "running":
            client.cancel(list(asked))


def _reply(future: Any, result: Any) -> dict[str, Any]:
    from distributed.scheduler import KilledWorker

    if future.status == "finished":
        reply: dict[str, Any] = result
        return reply
    if future.status != "error":
        raise ImmabenchError(f"lost the dask scheduler (a job is {future.status})", "continue with --resume")
    error = result[1]
    if isinstance(error, KilledWorker):
        return {"crashed": f"{error.allowed_failures + 1} dask workers died while they had this job"}
    return {"error": f"dask: {type(error).__name__}: {' '.join(str(error).split())}"}


# ---- what runs on a dask worker

_LOCK = threading.Lock()
_CHILD = WorkerProcess()
"""The one child of this dask worker, started by its first job. It dies with the worker (`worker._follow_parent`)."""


def answer_on_worker(request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
    """Runs on a dask worker: the answer of its child, which may be that it crashed or took too long.

    One at a time, however many threads the worker has: what is beside a timed job disturbs it.
    """
    with _LOCK:
        _pin_thread()
        return _CHILD.answer(request, timeout_seconds)


def describe_worker() -> dict[str, Any]:
    """Runs on a dask worker: its host, its version of immabench, and the GPUs it may use (all where empty)."""
    return {"host": platform.node(), "version": __version__, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}


def end_child() -> None:
    """Runs on a dask worker beside its jobs: what is in flight is no longer wanted."""
    _CHILD.kill()


def dask_setup(worker: Any) -> None:
    """Called by dask as a local worker starts. Ctrl-C reaches the whole terminal group: the client acts on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _pin_thread() -> None:
    """Keep a local worker's jobs on its core: the emulated machine starts a thread for each core there is."""
    from distributed import get_worker

    core = re.fullmatch(r"immabench-core-(\d+)", str(get_worker().name))
    if core and hasattr(os, "sched_setaffinity"):
        # Of this thread; its child inherits it.
        os.sched_setaffinity(0, {int(core[1])})


# ---- dask workers of this machine


@contextlib.contextmanager
def _local_client(kind: str) -> Iterator[Client]:
    import distributed

    # A port of the loopback alone, no dashboard. The scheduler is a thread of this process.
    options = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": None}
    scheduler = {"cls": distributed.Scheduler, "options": options}
    with (
        _quiet(),
        distributed.SpecCluster(local_workers(kind), scheduler) as cluster,
        distributed.Client(cluster, timeout=START_SECONDS, set_as_default=False) as client,
    ):
        yield client


def local_workers(kind: str) -> dict[str, dict[str, Any]]:
    """The dask workers of this machine for a device kind, by name: one a GPU that sees no other, or one a core."""
    from distributed import Nanny

    if kind == "cuda":
        gpus = visible_gpus()
        threads = max(1, len(usable_cores()) // len(gpus))
        environments = {
            f"immabench-gpu-{gpu}": {"CUDA_VISIBLE_DEVICES": gpu, "OMP_NUM_THREADS": threads} for gpu in gpus
        }
    else:
        environments = {f"immabench-core-{core}": {} for core in usable_cores()}
    # No limit of memory: dask would count its own process, while the job's memory is its child's.
    options = {"nthreads": 1, "host": "127.0.0.1", "memory_limit": 0, "dashboard": False, "preload": [__name__]}
    options["silence_logs"] = logging.ERROR
    return {name: {"cls": Nanny, "options": {**options, "env": env}} for name, env in environments.items()}


def visible_gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
    from immabench.hardware import cuda_state

    named = [gpu.strip() for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu.strip()]
    return named or [str(index) for index in range(len(cuda_state()["devices"]))]


def usable_cores() -> list[int]:
    """The numbers of the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask's log off the terminal: workers that die are expected here, and rows and errors say what failed."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    before = {name: logging.getLogger(name).level for name in ("distributed", *names)}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
