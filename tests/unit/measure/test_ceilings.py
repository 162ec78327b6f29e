"""Measuring ceilings: what is measured, what each entry says, and what is said where something cannot be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from immabench.errors import ImmabenchError, MissingHardwareError, UsageError
from immabench.hardware import cpu_info
from immabench.measure import ceilings, ceilings_library
from immabench.measure.ceilings import is_noisy, measure_ceilings, noisy
from immabench.measure.ceilings_instructions import (
    GpuLoop,
    cpu_instructions,
    cpu_operands,
    gpu_entry,
    gpu_operands,
)
from immabench.measure.ceilings_library import gemm_entries
from immabench.measure.ceilings_memory import memory_entries
from immabench.measure.ceilings_meter import Meter, size_entry, timed
from immabench.measure.timer import Criterion, Launch, Timing

FAST = Criterion(min_samples=3, min_seconds=0.0, max_samples=3, max_seconds=0.01)


def meter(*times_us: float, device: str = "cpu") -> Meter:
    """A meter that launches once and then says what it is told."""

    def time(device: str, criterion: Criterion, launch: Launch) -> Timing:
        launch()
        return Timing(times_us, "rotated")

    return Meter(device, time=time)


class TestMeter:
    def test_a_library_has_its_median_and_the_hardware_its_fastest_launch(self) -> None:
        timing = Timing((3.0, 2.0, 7.0), "rotated")
        assert size_entry("int8_tops", "torch", 64, timing, 3e6, "1e12 operations/s")["rate"] == pytest.approx(1.0)
        entry = size_entry("read_gbps", "immabench", 64, timing, 4e3, "1e9 bytes/s")
        assert entry["rate"] == pytest.approx(2.0)
        assert (entry["best_us"], entry["median_us"], entry["worst_us"], entry["samples"]) == (2.0, 3.0, 7.0, 3)

    def test_work_is_scaled_to_the_wanted_length(self) -> None:
        asked: list[int] = []
        assert meter(50.0).units_for(0.002, asked.append, 1000) == 40_000
        assert asked == [1000]
        assert meter(1e9).units_for(0.002, asked.append, 1000) == 1

    def test_it_is_the_one_timer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[tuple[str, Criterion]] = []

        class Timer:
            def time(self, launches: Sequence[Launch]) -> Timing:
                return Timing((1.0,), "rotated")

        def make(device: str, criterion: Criterion) -> Timer:
            made.append((device, criterion))
            return Timer()

        monkeypatch.setattr("immabench.measure.ceilings_meter.make_timer", make)
        assert Meter("cuda", FAST).measure(lambda: None).times_us == (1.0,)
        assert made == [("cuda", FAST)]


class TestNoise:
    def test_only_the_entry_that_is_the_ceiling_can_be_noisy(self) -> None:
        steady = {"what": "int8_tops", "rate": 0.8, "median_us": 10.0, "best_us": 9.0}
        wild = {"what": "int8_tops", "rate": 0.5, "median_us": 30.0, "best_us": 9.0}
        assert noisy([steady, wild], []) == []
        assert noisy([wild], []) == ["int8_tops"]

    def test_instructions_and_distrusted_times_are_named(self) -> None:
        wild = {"name": "dot", "rate": 0.5, "median_us": 30.0, "best_us": 9.0}
        absent = {"name": "gone", "rate": None}
        assert noisy([], [wild, absent]) == ["dot"]
        assert is_noisy({"median_us": 1.0, "best_us": 1.0, "distrust": "two clocks disagree"})
        assert not is_noisy({"median_us": 1.0, "best_us": 1.0, "distrust": ""})


class TestCpuInstructions:
    def test_present_ones_are_measured_on_one_core_and_on_all(self, fake_native: Any) -> None:
        found = cpu_instructions(meter(100.0, 200.0, 300.0))
        cores = sorted({1, cpu_info().cores})
        assert [(entry["name"], entry["cores"]) for entry in found if entry["status"] == "native"] == [
            ("dot", count) for count in cores
        ]
        for entry in found[: len(cores)]:
            # 12 chains by 2 steps, 128 operations each, in a fastest launch of 100 us.
            iterations = fake_native.cpu_runs[-1][1]
            assert entry["rate"] == pytest.approx(24 * 128 * iterations * entry["cores"] / 1e-4 / 1e12)
            # The chain of 16e6 additions took 100 us as well.
            assert entry["clock_mhz"] == pytest.approx(160_000.0)
            assert entry["per_clock_per_core"] == pytest.approx(24 * 128 * iterations / 16e6)

    def test_absent_ones_say_why(self, fake_native: Any) -> None:
        (absent,) = [entry for entry in cpu_instructions(meter(100.0)) if entry["status"] == "absent"]
        assert (absent["name"], absent["rate"], absent["clock_mhz"]) == ("tiles", None, None)
        assert absent["reason"] == "this CPU or system has no amx_int8"

    def test_float_operands_are_normal_and_cancel(self) -> None:
        values = cpu_operands({"chains": 4, "vector_bytes": 64, "operand_type": "f32"}).view(np.float32)
        assert values.shape == (7, 16)
        assert (values[0] == -values[1]).all()
        assert np.isfinite(values).all()
        halves = cpu_operands({"chains": 4, "vector_bytes": 64, "operand_type": "bf16"})
        x = (np.ascontiguousarray(halves[:3]).view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        assert (x[0] == -x[1]).all()
        assert (np.abs(x) < 10).all()
        assert len(np.unique(x[0])) == 16  # each float twice

    def test_integer_operands_cover_the_range(self) -> None:
        values = cpu_operands({"chains": 12, "vector_bytes": 64, "operand_type": "s8"})
        assert len(np.unique(values)) > 200


class Loop:
    """A made-up GPU of 2 SMs: 100 clocks and 50 ns an iteration."""

    def __init__(self, compiled: bool = True) -> None:
        self.compiled = compiled
        self.asked: list[int] = []

    def as_loop(self) -> GpuLoop:
        return GpuLoop(self.asked.append, self.clocks, 2)

    def clocks(self) -> list[tuple[int, int]]:
        last = self.asked[-1]
        return [(100 * last, 50 * last)] * 2 if self.compiled else [(-1, -1)] * 2


RATE = {"name": "mma", "operand_type": "s8", "accumulator": "s32", "operations": 8192, "instructions": 256}


class TestGpuInstructions:
    def test_rate_clock_and_operations_a_clock(self) -> None:
        loop = Loop()
        entry = gpu_entry(RATE, "native", "", loop.as_loop(), meter(1000.0, 2000.0, device="cuda"))
        iterations = loop.asked[-1]
        assert iterations == round(2000 * 2000e-6 / 1500e-6)  # 2 ms, judged by the median of 2000 iterations
        assert entry["rate"] == pytest.approx(2 * 256 * 8192 * iterations / 1e-3 / 1e12)
        assert entry["per_clock_per_core"] == pytest.approx(256 * 8192 / 100)
        assert entry["clock_mhz"] == pytest.approx(2000.0)
        assert (entry["status"], entry["cores"], entry["reason"]) == ("native", 2, "")

    def test_what_is_emulated_is_said_to_be(self) -> None:
        entry = gpu_entry(RATE, "emulated", "1 CALL", Loop().as_loop(), meter(1000.0, device="cuda"))
        assert (entry["status"], entry["reason"]) == ("emulated", "1 CALL")
        assert entry["rate"] > 0

    def test_what_is_absent_or_not_compiled_is_not_launched_or_timed(self) -> None:
        loop = Loop()
        absent = gpu_entry(RATE, "absent", "requires sm_89", loop.as_loop(), meter(1000.0, device="cuda"))
        assert (absent["rate"], absent["reason"], loop.asked) == (None, "requires sm_89", [])
        missing = gpu_entry(RATE, "native", "", Loop(compiled=False).as_loop(), meter(1000.0, device="cuda"))
        assert (missing["rate"], missing["reason"]) == (None, "not compiled for this architecture")

    @pytest.mark.parametrize("operand_type", ["s8", "s4", "b1", "f16", "bf16", "tf32", "e4m3"])
    def test_operands_are_words_of_the_type(self, operand_type: str) -> None:
        torch = pytest.importorskip("torch")
        operands = gpu_operands(torch, operand_type, "cpu")
        assert (operands.shape, operands.dtype) == ((48, 256), torch.int32)
        assert len(operands.unique()) > 12_000
        formats = {"f16": torch.float16, "bf16": torch.bfloat16, "tf32": torch.float32, "e4m3": torch.float8_e4m3fn}
        if operand_type in formats:
            assert operands.view(formats[operand_type]).to(torch.float32).isfinite().all()


class TestMemory:
    def test_reads_on_the_cpu(self, fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("immabench.measure.ceilings_memory.copy_bytes", lambda device: 2 << 20)
        monkeypatch.setattr("immabench.measure.ceilings_memory.cache_bytes", lambda device: 16 << 20)
        found = memory_entries(None, meter(1000.0, 4000.0))
        sizes = [(entry["what"], entry["size"] >> 20) for entry in found]
        assert sizes == [("read_gbps", 4), ("read_gbps", 8), ("cache_read_gbps", 2), ("cache_read_gbps", 4)]
        assert {(nbytes * repeats) for nbytes, repeats, _ in fake_native.reads} == {1 << 30}
        assert [entry["rate"] for entry in found] == pytest.approx([(1 << 30) / 1e-3 / 1e9] * 4)
        assert {threads for _, _, threads in fake_native.reads} == {cpu_info().cores}


def test_small_measurement_has_every_field(monkeypatch: pytest.MonkeyPatch, fake_native: Any) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(ceilings_library, "GEMM_SIZES", {"cpu": (32, 64)})
    monkeypatch.setattr(ceilings_library, "COPY_BYTES_RANGE", (1 << 20, 2 << 20))
    monkeypatch.setattr(ceilings, "Meter", lambda device: Meter(device, FAST))
    found = measure_ceilings()
    assert found["device"] == "cpu"
    for what in ("int8_tops", "fp32_tflops", "copy_gbps", "cache_gbps", "read_gbps", "cache_read_gbps"):
        entries = [entry for entry in found["sizes"] if entry["what"] == what]
        assert found[what] == max(entry["rate"] for entry in entries) > 0
        assert {entry["by"] for entry in entries} == {"immabench" if "read" in what else "torch"}
    assert all(entry["samples"] >= 3 for entry in found["sizes"])
    assert all(entry["best_us"] <= entry["median_us"] <= entry["worst_us"] for entry in found["sizes"])
    assert {"name", "operand_type", "status", "rate", "unit", "per_clock_per_core", "clock_mhz", "cores"} <= set(
        found["instructions"][0]
    )
    assert found["reasons"] == {}
    assert isinstance(found["contradictions"], list)


def test_a_type_torch_cannot_run_is_none_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(torch: Any, what: str, size: int, device: str) -> Any:
        if what == "fp16_tflops" and size > 512:
            raise RuntimeError("out\n of memory")
        if what == "int8_tops":
            raise NotImplementedError("not implemented for 'Char'")
        return lambda: None

    monkeypatch.setattr(ceilings_library, "gemm_call", refuse)
    reasons: dict[str, str] = {}
    entries = gemm_entries(None, meter(10.0), reasons)
    assert "int8_tops" not in {entry["what"] for entry in entries}
    assert reasons == {
        "int8_tops": "torch: not implemented for 'Char'",
        "fp16_tflops": "torch: at 1024 cubed: out of memory",
    }


def test_a_slow_machine_stops_at_small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings_library, "gemm_call", lambda *_: lambda: None)
    entries = gemm_entries(None, meter(1e6), {})
    assert {entry["size"] for entry in entries} == {512}


def test_devices_that_are_not_there_are_errors() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UsageError, match="unknown device"):
        measure_ceilings("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(MissingHardwareError):
            measure_ceilings("cuda")


def test_without_torch_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImmabenchError, match=r"torch cannot be imported .*; pip install 'immabench\[models\]'"):
        measure_ceilings("cpu")


def test_a_rate_is_work_over_time() -> None:
    entry = timed(Timing((5.0, 10.0, 20.0), "rotated", distrust="why"), 1e9, "1e12 operations/s", by_fastest=False)
    assert entry["rate"] == pytest.approx(1e9 / 10e-6 / 1e12)
    assert entry["distrust"] == "why"
