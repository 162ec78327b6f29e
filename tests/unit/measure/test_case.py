"""One case: whatever happens becomes a row."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from immabench.measure.case import Job, as_other_case, impossible_reason, run_job
from immabench.measure.timer import Criterion, Timing, median_noise
from immabench.measure.trial import Trial
from immabench.problems import Problem
from immabench.providers.reference import ReferenceProvider

FAST = Criterion(max_samples=4, max_seconds=0.05)
PROBLEM = Problem(16, 24, 32, output_type="f16", row_scale="vector", col_scale="vector", bias=True)


def job(provider: str = "reference", kernel: str = "reference_numpy", device: str = "cpu") -> Job:
    return Job("suite", "case", 2, PROBLEM, provider, kernel, device)


def test_a_timed_row_has_time_and_no_counts() -> None:
    outcome = run_job(job(), {"int8_tops": 100.0, "copy_gbps": 10.0}, FAST)
    row = outcome.row
    assert (row.status, row.verified, row.backend) == ("ok", True, "numpy:float64-blas")
    assert row.samples == len(outcome.times_us) >= 3
    assert row.time_us_median is not None
    assert row.tops == pytest.approx(PROBLEM.operations / row.time_us_median / 1e6)
    assert row.gbps == pytest.approx(PROBLEM.bytes_moved / row.time_us_median / 1e3)
    roof = PROBLEM.operations_per_byte * 10.0 / 1e3
    assert row.pct_roof == pytest.approx(100 * row.tops / roof)
    assert (row.l2_state, row.counts) == ("rotated", None)
    assert (row.timed_by, row.time_us_batched) == ("wall clock", None)
    assert row.stopped_by in ("noise", "samples", "seconds")
    assert row.pct_noise == pytest.approx(100 * median_noise(outcome.times_us))


def test_an_emulated_row_has_counts_and_no_time(fake_native: Any) -> None:
    outcome = run_job(job("handwritten", fake_native.kernels()[0]["id"], "emulated"))
    row = outcome.row
    assert (row.status, row.verified, row.backend) == ("ok", True, "emulated:host-simt")
    assert row.counts is not None
    assert row.counts["mma"] == 8
    assert row.counts["lines"][0]["line"] == 42
    assert (row.hazards, row.time_us_median, row.tops, row.l2_state) == (0, None, None, "n/a")
    assert outcome.times_us == ()


def test_a_wrong_result_is_named(fake_native: Any) -> None:
    kernel = fake_native.kernels()[0]["id"]
    fake_native.corrupt.add(kernel)
    row = run_job(job("handwritten", kernel, "emulated")).row
    assert (row.status, row.verified) == ("incorrect", False)
    assert row.reason.startswith("1 of 384 elements differ, first C[15,23]")


def test_a_hazard_is_wrong_even_where_numbers_agree(fake_native: Any) -> None:
    fake_native.hazard_orders.add("forward")
    row = run_job(job("handwritten", fake_native.kernels()[0]["id"], "emulated")).row
    assert (row.status, row.hazards) == ("incorrect", 1)
    assert row.reason == "1 hazard, first: race at gemm.cuh:7, block 5, thread 3: two writes"


@pytest.mark.parametrize(
    ("kernel", "status", "reason"),
    [
        ("raise", "error", "RuntimeError: two lines"),
        ("wrong", "incorrect", "1 of 384 elements differ"),
        ("nohardware", "skipped", "no tensor cores; buy some"),
    ],
)
def test_failures_of_a_provider(misbehaving: str, kernel: str, status: str, reason: str) -> None:
    row = run_job(job(misbehaving, kernel), criterion=FAST).row
    assert row.status == status
    assert row.reason.startswith(reason)


def test_an_unknown_provider_or_kernel_is_an_error_row(fake_native: Any) -> None:
    assert "no provider matches" in run_job(job("gone")).row.reason
    row = run_job(job("handwritten", "gone", "emulated")).row
    assert (row.status, row.reason.startswith("no kernel matches 'gone'")) == ("error", True)


def test_a_gpu_that_is_not_there_is_a_skipped_row(fake_native: Any) -> None:
    row = run_job(job("torch", "torch_int8", "cuda")).row
    assert row.status == "skipped"
    assert "no CUDA device" in row.reason


def test_a_stale_result_is_caught_after_timing(misbehaving: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import misbehaving_provider  # type: ignore[import-not-found]

    class Once(misbehaving_provider.Launch):  # type: ignore[misc]
        results: list[Any] = []  # noqa: RUF012

        def launch(self) -> None:
            super().launch()
            self.results.append(self.out.copy())
            self.out[...] = self.results[0]

    monkeypatch.setattr(misbehaving_provider, "Launch", Once)
    row = run_job(job(misbehaving, "good"), criterion=FAST).row
    assert (row.status, row.verified) == ("incorrect", False)
    assert row.reason.startswith("after timing: ")
    assert row.time_us_median is not None


def test_times_below_the_physical_floor_are_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.measure.case.physical_peak_tops", lambda device, data_type: 1e-9)
    row = run_job(job(), criterion=FAST).row
    assert row.status == "invalid"
    assert "below the physical floor" in row.reason


def test_a_timer_that_kept_no_sample_is_invalid_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def time(self, launches: Any) -> Timing:
            return Timing((), "flushed", 7, distrust="7 samples discarded: SM clock below 50% of its default")

    monkeypatch.setattr("immabench.measure.case.make_timer", lambda *_: Slow())
    outcome = run_job(job(), criterion=FAST)
    assert (outcome.row.status, outcome.row.discarded, outcome.times_us) == ("invalid", 7, ())
    assert outcome.row.reason == "7 samples discarded: SM clock below 50% of its default"
    assert outcome.row.time_us_median is None


def test_a_packing_step_has_a_time_and_neither_a_rate_nor_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the packing step is torch's")
    monkeypatch.setattr("immabench.measure.case.physical_peak_tops", lambda device, data_type: 1e-9)
    packing = replace(job("torch", "torch_int4_pack"), problem=replace(PROBLEM, n=32), step="pack")
    row = run_job(packing, {"bf16_tflops": 1.0, "copy_gbps": 10.0}, FAST).row
    assert (row.status, row.step, row.b_type, row.b_group) == ("ok", "pack", "s4", 32)
    assert row.time_us_median is not None
    assert (row.tops, row.gbps, row.pct_roof) == (None, None, None)


def test_packing_touches_the_weights_and_a_product_everything() -> None:
    trials = [Trial(ReferenceProvider(), PROBLEM, "reference_numpy", "cpu", 0, step) for step in ("compute", "pack")]
    assert [trial.bytes_touched for trial in trials] == [PROBLEM.bytes_moved, 2 * 24 * 32]


def test_without_a_known_peak_every_time_may_be_true() -> None:
    assert impossible_reason(PROBLEM, 1e-9, None) == ""
    assert impossible_reason(PROBLEM, PROBLEM.operations / 100e6, 100.0) == ""


def test_a_rate_above_the_measured_ceiling_is_a_finding_and_no_error() -> None:
    row = run_job(job(), {"int8_tops": 1e-9, "copy_gbps": 1.0}, FAST).row
    assert row.status == "ok"
    assert row.pct_roof is not None
    assert row.pct_roof > 100


def test_other_cases_share_a_measurement() -> None:
    row = run_job(job(), criterion=FAST).row
    other = as_other_case(row, Job("other", "again", 7, PROBLEM, "reference", "reference_numpy", "cpu"))
    assert (other.suite, other.case, other.calls) == ("other", "again", 7)
    assert other.time_us_median == row.time_us_median


def test_every_launch_is_in_an_nvtx_range_of_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    import nvtx

    entered: list[str] = []

    def annotate(name: str, domain: str) -> AbstractContextManager[None]:
        assert domain == "immabench"
        entered.append(name)
        return nullcontext()

    monkeypatch.setattr(nvtx, "annotate", annotate)
    row = run_job(job(), criterion=FAST).row
    assert entered == [row.row_id] * 3  # judged, timed, judged again
