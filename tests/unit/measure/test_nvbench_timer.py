"""nvbench as the timer, on a made-up GPU and cuda.bench; tests/tools/test_nvbench.py has the real package."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from immabench.errors import ImmabenchError, MissingHardwareError, UsageError
from immabench.measure import nvbench_timer, timers
from immabench.measure.cuda_timer import CudaTimer
from immabench.measure.nvbench_timer import THROTTLE_THRESHOLD, NvbenchTimer, OpenRun, load_nvbench
from immabench.measure.telemetry import NoTelemetry, Reading
from immabench.measure.timer import CpuTimer, Criterion

QUICK = Criterion(min_samples=4, max_samples=8, min_seconds=0.0, max_seconds=5.0)
WAITS = r"^the launch waits for the GPU"


@pytest.fixture
def opened(fake_gpu: ModuleType, gpu: Any) -> Iterator[Callable[..., tuple[OpenRun, Any]]]:
    """`opened(throttled)`: a run on a made-up cuda.bench, and that module."""
    runs: list[OpenRun] = []

    def make(throttled: Callable[[int], bool] = lambda number: False) -> tuple[OpenRun, Any]:
        bench = fake_gpu.FakeBench(gpu, throttled)
        runs.append(OpenRun(bench))
        return runs[-1], bench

    yield make
    for run in runs:
        run.close()


def test_cold_samples_in_rotation_on_nvbenchs_stream(opened: Any, gpu: Any) -> None:
    run, bench = opened()
    timing = NvbenchTimer(QUICK, NoTelemetry(), run).time([lambda: gpu.queue(10.0), lambda: gpu.queue(30.0)])
    # One launch warms up before the samples, so the rotation stands at the second set. float32 has 24 bits.
    assert timing.times_us == pytest.approx((30.0, 10.0) * 4, rel=2**-23)
    assert (timing.timed_by, timing.l2_state, timing.discarded) == ("nvbench 0.3.0", "flushed", 0)
    assert timing.stopped_by == "samples"
    assert timing.batched_us == pytest.approx(20.0)
    assert set(gpu.streams) == {"stream 4096"}
    (benchmark,) = bench.benchmarks
    assert benchmark.criterion == {"name": "sample-count", "target-samples": 1}
    assert bench.arguments[:5] == ["immabench", "--benchmark", benchmark.name, "--devices", "0"]


def test_one_run_serves_every_measurement(opened: Any, gpu: Any) -> None:
    run, bench = opened()
    timer = NvbenchTimer(QUICK, NoTelemetry(), run)
    medians = [timer.time([lambda us=us: gpu.queue(us)]).median_us for us in (8.0, 16.0, 32.0)]  # type: ignore[misc]
    assert medians == pytest.approx([8.0, 16.0, 32.0], rel=2**-23)
    assert len(bench.states) == 1


def test_samples_that_nvbench_drops_are_counted(opened: Any, gpu: Any) -> None:
    run, bench = opened(lambda number: number in (2, 5))
    timing = NvbenchTimer(QUICK, NoTelemetry(), run).time([lambda: gpu.queue(8.0)])
    assert (len(timing.times_us), timing.discarded, timing.distrust) == (8, 2, "")
    assert bench.states[0].throttle_threshold == THROTTLE_THRESHOLD


def test_a_gpu_that_is_always_slow_has_no_time_but_a_reason(opened: Any, gpu: Any) -> None:
    run, _ = opened(lambda number: True)
    timer = NvbenchTimer(Criterion(max_samples=4, max_seconds=0.01), NoTelemetry(), run)
    timing = timer.time([lambda: gpu.queue(1000.0)])
    assert (timing.times_us, timing.batched_us) == ((), None)
    assert timing.discarded > 0
    assert timing.distrust.startswith(f"{timing.discarded} samples discarded: SM clock below 50% of its default; let")


def test_a_gpu_that_is_mostly_slow_is_not_believed(opened: Any, gpu: Any) -> None:
    run, _ = opened(lambda number: number % 3 != 0)
    timing = NvbenchTimer(QUICK, NoTelemetry(), run).time([lambda: gpu.queue(8.0)])
    assert (len(timing.times_us), timing.discarded) == (8, 16)
    assert "SM clock below" in timing.distrust


def test_nvml_readings_are_kept_and_their_throttling_counts(opened: Any, gpu: Any) -> None:
    cool, hot = Reading(1980.0, 650.0, 55.0), Reading(1200.0, 690.0, 91.0, ("hardware thermal slowdown",))

    class Script:
        readings = itertools.chain([hot], itertools.repeat(cool))

        def read(self) -> Reading:
            return next(self.readings)

    run, _ = opened()
    timing = NvbenchTimer(QUICK, Script(), run).time([lambda: gpu.queue(8.0)])
    assert (len(timing.times_us), timing.discarded) == (8, 8)
    assert (timing.gpu.sm_clock_mhz, timing.gpu.temperature_c) == (1980.0, 55.0)


def test_a_slow_launch_ends_a_batch_with_the_time_budget(opened: Any, gpu: Any) -> None:
    run, _ = opened()
    taken = run.carry_out(lambda state: run.sample(state, lambda: gpu.queue(200_000.0), 32, 0.5))
    assert taken.times_us == pytest.approx([200_000.0] * 3, rel=2**-23)
    assert taken.discarded == 0


def test_a_launch_that_always_waits_is_refused_before_it_blocks(opened: Any, gpu: Any) -> None:
    run, bench = opened()

    def launch() -> None:
        gpu.queue(8.0)
        gpu.synchronize()

    with pytest.raises(ImmabenchError, match=WAITS):
        NvbenchTimer(QUICK, NoTelemetry(), run).time([launch])
    assert bench.states[0].blocking_kernel_timeout == 30.0  # nvbench was not asked


def test_a_launch_that_waits_now_and_then_costs_one_measurement(opened: Any, gpu: Any) -> None:
    run, bench = opened()
    calls = itertools.count()

    def launch() -> None:
        gpu.queue(8.0)
        if next(calls) == 8:
            gpu.synchronize()

    timer = NvbenchTimer(QUICK, NoTelemetry(), run)
    with pytest.raises(
        ImmabenchError, match=r"^the launch waited for the GPU while nvbench blocked its stream for 5 s"
    ):
        timer.time([launch])
    assert bench.states[0].blocking_kernel_timeout == 5.0
    assert timer.time([lambda: gpu.queue(8.0)]).median_us == pytest.approx(8.0)


def test_an_error_of_the_launch_is_the_callers(opened: Any, gpu: Any) -> None:
    run, _ = opened()

    def launch() -> None:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match=r"^no luck$"):
        NvbenchTimer(QUICK, NoTelemetry(), run).time([launch])


def test_the_range_is_entered_on_the_launching_thread(opened: Any, gpu: Any) -> None:
    run, _ = opened()
    open_ranges: list[str] = []
    seen: set[tuple[str, ...]] = set()

    @contextmanager
    def around() -> Iterator[None]:
        open_ranges.append("row")
        yield
        open_ranges.pop()

    def launch() -> None:
        seen.add(tuple(open_ranges))
        gpu.queue(8.0)

    NvbenchTimer(QUICK, NoTelemetry(), run, around).time([launch])
    assert (seen, open_ranges) == ({("row",)}, [])


def test_a_run_that_ended_says_why(fake_gpu: ModuleType, gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = fake_gpu.FakeBench(gpu)
    bench.run_all_benchmarks = lambda argv: (_ for _ in ()).throw(RuntimeError("no\n device"))
    run = OpenRun(bench)
    with pytest.raises(ImmabenchError, match=r"^nvbench's run has ended \(no device\)"):
        run.carry_out(lambda state: None)
    run.close()
    with pytest.raises(ImmabenchError, match="has ended"):
        run.carry_out(lambda state: None)


class TestChoice:
    @pytest.fixture(autouse=True)
    def _machine(self, gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timers, "cuda_state", lambda: {"devices": [{"uuid": "GPU-1"}]})
        monkeypatch.setattr(timers, "cache_bytes", lambda kind: 50 << 20)
        nvbench_timer.open_run.cache_clear()

    def test_nvbench_where_it_loads(self, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        run, _ = opened()
        monkeypatch.setattr(timers, "open_run", lambda: run)
        assert isinstance(timers.make_timer("cuda", QUICK, 1000), NvbenchTimer)
        assert isinstance(timers.make_timer("cuda", QUICK, 1000, "nvbench"), NvbenchTimer)
        assert isinstance(timers.make_timer("cuda", QUICK, 1000, "events"), CudaTimer)
        assert isinstance(timers.make_timer("cpu", QUICK, 1000), CpuTimer)

    def test_events_where_it_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cuda.bench", None)
        assert isinstance(timers.make_timer("cuda", QUICK, 1000), CudaTimer)
        with pytest.raises(MissingHardwareError, match=r"^nvbench does not load .*pip install 'immabench\[gpu\]'"):
            timers.make_timer("cuda", QUICK, 1000, "nvbench")

    def test_what_is_asked_for_is_checked_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        timers.require_timer("auto")
        timers.require_timer("events")
        with pytest.raises(UsageError, match="unknown timer 'stopwatch'; choose one of auto, nvbench, events"):
            timers.require_timer("stopwatch")
        monkeypatch.setattr(timers, "missing_packages", lambda: ["cuda-bench"])
        with pytest.raises(MissingHardwareError, match=r"^nvbench needs cuda-bench; pip install"):
            timers.require_timer("nvbench")
        monkeypatch.setattr(timers, "missing_packages", list)
        timers.require_timer("nvbench")
        monkeypatch.setattr(timers, "cuda_state", lambda: {"devices": []})
        with pytest.raises(MissingHardwareError, match="nvbench times GPUs, and there is none here; leave out --timer"):
            timers.require_timer("nvbench")


def stub() -> ast.Module:
    """The stub of cuda.bench, read without loading the package: loading takes a driver."""
    spec = importlib.util.find_spec("cuda")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "bench" / "__init__.pyi"
        if path.exists():
            return ast.parse(path.read_text(encoding="utf-8"))
    pytest.skip("cuda-bench is not installed; pip install 'immabench[gpu]'")


def arguments(function: ast.FunctionDef) -> list[str]:
    all_of = function.args
    return [one.arg for one in (*all_of.posonlyargs, *all_of.args, *all_of.kwonlyargs) if one.arg != "self"]


def own_methods(fake: type) -> dict[str, list[str]]:
    methods = {name: made for name, made in vars(fake).items() if inspect.isfunction(made) and name[0] != "_"}
    return {
        name: [one for one in inspect.signature(made).parameters if one != "self"] for name, made in methods.items()
    }


def test_the_made_up_package_has_the_names_and_arguments_of_the_stub(fake_gpu: ModuleType) -> None:
    module = stub()
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    for fake in (fake_gpu.State, fake_gpu.Benchmark, fake_gpu.CudaStream):
        real = [node for node in classes[fake.__name__].body if isinstance(node, ast.FunctionDef)]
        for name, parameters in own_methods(fake).items():
            known = [set(arguments(node)) for node in real if node.name == name]
            assert set(parameters) in known, f"{fake.__name__}.{name}"
    for name, parameters in own_methods(fake_gpu.FakeBench).items():
        assert parameters in [arguments(node) for node in functions if node.name == name], name


def test_torch_has_what_the_made_up_one_has(fake_gpu: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    for name in vars(fake_gpu.FakeGpu().torch().cuda):
        assert hasattr(torch.cuda, name), name


def test_what_does_not_load_has_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bench", None)
    with pytest.raises(MissingHardwareError, match=r"^nvbench does not load \(.+\); pip install 'immabench\[gpu\]'$"):
        load_nvbench()
