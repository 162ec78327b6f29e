"""nvbench, NVIDIA's own benchmark library, as the timer of a GPU, through its Python package cuda-bench.

Before each sample nvbench overwrites a buffer of the size of L2, waits for the stream and blocks it with a kernel until
the launch is queued between two CUDA events: what Python costs is in no sample. It takes batches of a fixed size here;
when to stop is decided by our criterion, between batches, as with every timer (`cuda_timer.collect`).

Sources: the headers and stubs that cuda-bench 0.3.0 installs (detail/measure_cold.cuh, detail/l2flush.cuh,
blocking_kernel.cuh, detail/gpu_frequency.cuh, cuda/bench/__init__.pyi), and docs/cli_help.md of NVIDIA/nvbench.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import itertools
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.measure.cuda_timer import BATCH, Batch, collect, make_ready, with_batched
from immabench.measure.telemetry import Telemetry
from immabench.measure.timer import Criterion, Launch, Timing

NAME = "immabench"
PACKAGES = ("cuda-bench", "cuda-bindings")
INSTALL = "pip install 'immabench[gpu]'"

WARM_UPS = 1
"""Launches before the samples of a batch that nvbench times and drops."""

THROTTLE_THRESHOLD = 0.5
"""nvbench drops samples whose SM clock, measured on the GPU, was below this share of the default clock. A power cap
alone leaves more (it is how a GPU at full load is meant to run); heat and power brakes halve the clock and more."""

SLOW_CLOCK = f"SM clock below {THROTTLE_THRESHOLD:.0%} of its default"

BLOCKING_TIMEOUT_SECONDS = 5.0
"""How long nvbench's kernel blocks the stream for a launch to be queued, before it takes that for a deadlock."""

DEADLOCK = "Deadlock detected"
"""How the message of nvbench's error begins then; it has no type of its own."""

CLOSE_SECONDS = 10.0

Result = TypeVar("Result")


class OpenRun:
    """One run of nvbench, open on a thread of its own as long as the process lives; `carry_out` works inside it.

    cuda-bench runs its benchmarks once a process ("Benchmarks were already executed") and writes its JSON when the run
    ends. A worker measures many rows: so the one benchmark registered here serves requests until the process exits,
    and samples come from the file that nvbench writes after each execution, little-endian float32 seconds. The folder
    of that file is there only during an execution: a worker may be killed at any time, and leaves nothing behind.
    """

    def __init__(self, bench: Any) -> None:
        self.timed_by = f"nvbench {bench.__version__}"
        self._folder = Path(tempfile.mkdtemp(prefix="immabench-nvbench-"))
        self._requests: queue.SimpleQueue[tuple[Callable[[Any], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._ended = ""
        benchmark = bench.register(self._serve)
        benchmark.set_name(NAME)
        benchmark.set_stopping_criterion("sample-count")
        # The count of a batch is `State.set_min_samples`: the greater of the two holds.
        benchmark.set_criterion_param_int64("target-samples", 1)
        # A daemon: Python waits for other threads before it calls `close`.
        self._thread = threading.Thread(target=self._run, args=(bench,), name="nvbench", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def carry_out(self, work: Callable[[Any], Result]) -> Result:
        """What `work` returns or raises, called with nvbench's `State` on the thread of the run."""
        future: Future[Result] = Future()
        with self._lock:
            if self._ended:
                raise ImmabenchError(f"nvbench's run has ended ({self._ended})", "time with --timer events")
            self._requests.put((work, future))
        return future.result()

    def sample(self, state: Any, launch: Launch, count: int, seconds: float) -> Batch:
        """`count` cold samples of `launch` on nvbench's stream, fewer where `seconds` of wall clock end first.

        Of the thread of the run only. Raises ImmabenchError where the launch waits for the GPU, and what it raises.
        """
        calls = 0

        def counted(_: Any) -> None:
            nonlocal calls
            calls += 1
            launch()

        _configure(state, count, seconds)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        try:
            state.exec(counted, batched=False)
            times = self._written()
        except RuntimeError as error:
            raise _explained(error) from error
        finally:
            shutil.rmtree(self._folder)
        return Batch(times, calls - WARM_UPS - len(times), SLOW_CLOCK)

    def close(self) -> None:
        """End the run; nothing can be carried out after that."""
        self._requests.put(None)
        self._thread.join(CLOSE_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, bench: Any) -> None:
        why = "closed"
        try:
            bench.run_all_benchmarks(_arguments(self._json))
        except Exception as error:  # noqa: BLE001 - whatever ended it is the reason of every later request
            why = " ".join(str(error).split())
        with self._lock:
            self._ended = why
            while not self._requests.empty():
                request = self._requests.get()
                if request is not None:
                    request[1].set_exception(ImmabenchError(f"nvbench's run has ended ({why})"))

    def _serve(self, state: Any) -> None:
        while (request := self._requests.get()) is not None:
            work, future = request
            try:
                future.set_result(work(state))
            except BaseException as error:  # noqa: BLE001 - it belongs to who asked, and the run goes on
                future.set_exception(error)

    @property
    def _json(self) -> Path:
        return self._folder / "run.json"

    def _written(self) -> list[float]:
        """Microseconds of the last execution, none where every sample was discarded."""
        files = Path(f"{self._json}-bin").glob("*.bin")
        return [float(time) * 1e6 for path in files for time in np.fromfile(path, "<f4")]


class NvbenchTimer:
    """Cold samples by nvbench over rotated operand sets, then launches back to back by CUDA events.

    `around` is entered on the thread that launches: NVTX ranges belong to threads. Discarded samples and a GPU that is
    held back are treated as by `CudaTimer`. Raises ImmabenchError for a launch that waits for the GPU.
    """

    def __init__(
        self,
        criterion: Criterion,
        telemetry: Telemetry,
        run: OpenRun,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._criterion = criterion
        self._telemetry = telemetry
        self._run = run
        self._around = around

    def time(self, launches: Sequence[Launch]) -> Timing:
        return self._run.carry_out(lambda state: self._measure(state, launches))

    def _measure(self, state: Any, launches: Sequence[Launch]) -> Timing:
        import torch

        rotation = itertools.cycle(launches)
        size, seconds = min(BATCH, self._criterion.max_samples), self._criterion.max_seconds

        def batch(_: int) -> Batch:
            return self._run.sample(state, lambda: next(rotation)(), size, seconds)

        with self._around(), torch.cuda.stream(torch.cuda.ExternalStream(state.get_stream().addressof())):
            make_ready(launches, seconds)
            timing = collect(self._criterion, self._telemetry, batch, "flushed", self._run.timed_by)
            return with_batched(timing, launches)


def _arguments(json: Path) -> list[str]:
    """The command line of the run. Device 0 is the first that CUDA_VISIBLE_DEVICES shows, as for torch."""
    return [NAME, "--benchmark", NAME, "--devices", "0", "--jsonbin", str(json), "--quiet"]


def _configure(state: Any, count: int, seconds: float) -> None:
    state.set_min_samples(count)
    state.set_timeout(seconds)
    state.set_cold_warmup_runs(WARM_UPS)
    state.set_throttle_threshold(THROTTLE_THRESHOLD)
    state.set_blocking_kernel_timeout(BLOCKING_TIMEOUT_SECONDS)


def _explained(error: RuntimeError) -> RuntimeError | ImmabenchError:
    """nvbench's deadlock in our words, any other error as it is."""
    if DEADLOCK not in str(error):
        return error
    return ImmabenchError(
        f"the launch waited for the GPU while nvbench blocked its stream for {BLOCKING_TIMEOUT_SECONDS:g} s",
        "a provider's launch queues work on the current stream and returns",
    )


def load_nvbench() -> Any:
    """The module cuda.bench. Raises MissingHardwareError, with the remedy, where it is absent or finds no driver."""
    try:
        bench = importlib.import_module("cuda.bench")
        bench.State  # noqa: B018 - the part that needs a driver loads when it is first asked for
    except ImportError as error:
        raise MissingHardwareError(f"nvbench does not load ({str(error).splitlines()[0]})", INSTALL) from error
    return bench


@functools.cache
def open_run() -> OpenRun:
    """The one run of this process. Raises as `load_nvbench`."""
    return OpenRun(load_nvbench())


def missing_packages() -> list[str]:
    """Which of `PACKAGES` are not installed; loads nothing."""
    return [package for package in PACKAGES if not _installed(package)]


def _installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False
