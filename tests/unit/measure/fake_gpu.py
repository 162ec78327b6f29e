"""A GPU with one stream and a clock of its own, behind as much of torch and of cuda.bench as the timers use.

Times are microseconds of made-up time. The host queues work; the GPU begins it when the stream is free, not before.
`test_nvbench_timer.py` holds the names and arguments against those of the real packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

CLOCKS_A_US = 2000
HOST_US = 5.0
"""What queueing one piece of work costs the host."""

DEADLOCK = "Deadlock detected -- missing nvbench::exec_tag::sync? See stdout for details."


class FakeGpu:
    """The host's clock, when the stream will be free, and what a blocked stream holds back."""

    def __init__(self) -> None:
        self.now = 0.0
        self.free_at = 0.0
        self.stream = "default"
        self.held: list[float] | None = None
        self.timed_out = False
        self.streams: list[Any] = []

    def queue(self, us: float, host_us: float = HOST_US) -> None:
        """A kernel of so many microseconds on the current stream."""
        self.now += host_us
        self.streams.append(self.stream)
        if self.held is not None:
            self.held.append(us)
            return
        self.free_at = max(self.now, self.free_at) + us

    def synchronize(self) -> None:
        """Wait for the stream; for one that is blocked, as long as its blocking kernel does."""
        if self.held is None:
            self.now = max(self.now, self.free_at)
            return
        self.timed_out = True

    @contextmanager
    def on_stream(self, stream: Any) -> Iterator[None]:
        """What `torch.cuda.stream` does."""
        before, self.stream = self.stream, stream
        yield
        self.stream = before

    def torch(self) -> Any:
        """The module torch, as far as it is used."""
        gpu = self

        class Event:
            def __init__(self, enable_timing: bool = False) -> None:
                self.at = 0.0

            def record(self) -> None:
                self.at = max(gpu.now, gpu.free_at)

            def query(self) -> bool:
                return gpu.now >= self.at

            def elapsed_time(self, end_event: Event) -> float:
                return (end_event.at - self.at) / 1e3

        cuda = SimpleNamespace(
            Event=Event,
            ExternalStream=lambda stream_ptr, device=None: f"stream {stream_ptr}",
            _sleep=lambda cycles: gpu.queue(cycles / CLOCKS_A_US),
            stream=gpu.on_stream,
            synchronize=gpu.synchronize,
        )
        return SimpleNamespace(cuda=cuda, uint8="uint8", empty=lambda *size, **how: SimpleNamespace(zero_=lambda: None))


class CudaStream:
    """nvbench's own stream."""

    def addressof(self) -> int:
        return 4096


class Launch:
    """What nvbench hands to the callable."""


class Benchmark:
    """Remembers how it was configured."""

    def __init__(self, fn: Callable[[State], None]) -> None:
        self.fn = fn
        self.name = ""
        self.criterion: dict[str, Any] = {}

    def set_name(self, name: str) -> Benchmark:
        self.name = name
        return self

    def set_stopping_criterion(self, criterion: str) -> Benchmark:
        self.criterion = {"name": criterion}
        return self

    def set_criterion_param_int64(self, name: str, value: int) -> Benchmark:
        assert self.criterion["name"] == "sample-count"
        self.criterion[name] = value
        return self


class State:
    """Carries measurements out on the fake GPU: one launch to warm up, then samples, throttled ones dropped."""

    def __init__(self, gpu: FakeGpu, json_path: Path, throttled: Callable[[int], bool]) -> None:
        self._gpu = gpu
        self._json = json_path
        self._throttled = throttled
        self._min_samples, self._timeout, self._warm_ups = 10, 15.0, 1
        self._launched, self._files = 0, 0
        self.throttle_threshold = 0.75
        self.blocking_kernel_timeout = 30.0

    def get_stream(self) -> CudaStream:
        return CudaStream()

    def set_min_samples(self, min_samples_count: int) -> None:
        self._min_samples = min_samples_count

    def set_timeout(self, duration: float) -> None:
        self._timeout = duration

    def set_cold_warmup_runs(self, cold_warmup_runs: int) -> None:
        self._warm_ups = cold_warmup_runs

    def set_throttle_threshold(self, threshold_fraction: float) -> None:
        self.throttle_threshold = threshold_fraction

    def set_blocking_kernel_timeout(self, duration: float) -> None:
        self.blocking_kernel_timeout = duration

    def exec(
        self, fn: Callable[[Launch], None], /, *, batched: bool | None = None, sync: bool = False, timer: bool = False
    ) -> None:
        assert not batched  # its mean is in the JSON at the end of the run only
        for _ in range(self._warm_ups):
            fn(Launch())
        self._gpu.synchronize()
        samples: list[float] = []
        end = self._gpu.now + self._timeout * 1e6
        while len(samples) < self._min_samples and self._gpu.now <= end:
            time = self._blocked(fn)
            self._launched += 1
            if not self._throttled(self._launched):
                samples.append(time)
        self._write(samples)

    def _blocked(self, fn: Callable[[Launch], None]) -> float:
        gpu = self._gpu
        gpu.synchronize()
        gpu.held = []
        try:
            fn(Launch())
            time = sum(gpu.held)
        finally:
            gpu.held = None
        if gpu.timed_out:
            gpu.timed_out = False
            raise RuntimeError(DEADLOCK)
        gpu.now += time + HOST_US
        return time

    def _write(self, samples: Sequence[float]) -> None:
        folder = Path(f"{self._json}-bin")
        folder.mkdir(exist_ok=True)
        if samples:
            (np.array(samples) / 1e6).astype("<f4").tofile(folder / f"{self._files}.bin")
            self._files += 1


class FakeBench:
    """The module cuda.bench: benchmarks are registered, then run, once."""

    __version__ = "0.3.0"

    def __init__(self, gpu: FakeGpu, throttled: Callable[[int], bool] = lambda number: False) -> None:
        self.gpu = gpu
        self.throttled = throttled
        self.benchmarks: list[Benchmark] = []
        self.arguments: list[str] = []
        self.states: list[State] = []
        self.State = State

    def register(self, fn: Callable[[State], None], /) -> Benchmark:
        if self.arguments:
            raise RuntimeError("Can not register more benchmarks after benchmark was run")
        self.benchmarks.append(Benchmark(fn))
        return self.benchmarks[-1]

    def run_all_benchmarks(self, argv: Sequence[str]) -> None:
        if self.arguments:
            raise RuntimeError("Benchmarks were already executed")
        self.arguments = list(argv)
        path = Path(argv[argv.index("--jsonbin") + 1])
        for benchmark in self.benchmarks:
            self.states.append(State(self.gpu, path, self.throttled))
            benchmark.fn(self.states[-1])
