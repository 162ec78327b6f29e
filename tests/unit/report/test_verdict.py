from __future__ import annotations

from types import ModuleType
from typing import Any

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.document import gather


def verdict(rows: list[Row], meta: dict[str, Any]) -> str:
    return "\n".join(gather(rows, meta).verdict)


def test_measured_and_emulated_never_share_a_paragraph(run: RunFolder) -> None:
    for paragraph in gather(run.rows(), run.meta).verdict:
        assert not ("Measured" in paragraph and "Emulated" in paragraph)
        assert not ("Emulated" in paragraph and " ms" in paragraph)


def test_every_count_of_the_verdict_comes_from_the_rows(run: RunFolder) -> None:
    text = verdict(run.rows(), run.meta)
    assert "synthetic CPU, 2 cores, 8 GiB, no GPU" in text
    assert "**Rows**: 36 ok, 2 failed and 2 skipped, of 40." in text
    assert "1 incorrect and 1 crashed" in text
    assert "18 rows, all bit for bit equal" in text
    assert "No GPU took part" in text
    assert "Not a quiet machine" not in text


def test_a_run_without_times_states_no_speed(tmp_path: Any, synthetic: ModuleType) -> None:
    folder = synthetic.write_run(tmp_path / "run", timed=False, failures=False)
    text = verdict(folder.rows(), {**folder.meta, "ceilings": None})
    assert "Nothing was timed" in text
    assert "fp32" not in text


def test_a_run_without_emulation_says_so(tmp_path: Any, synthetic: ModuleType) -> None:
    folder = synthetic.write_run(tmp_path / "run", emulated=False, failures=False)
    text = verdict(folder.rows(), folder.meta)
    assert "Nothing was emulated" in text
    assert "0 failed" in text


def test_a_gpu_run_claims_its_gpu(run: RunFolder) -> None:
    cuda = [
        row.model_copy(update={"device_kind": "cuda", "device": "synthetic GPU"}) if row.time_us_median else row
        for row in run.rows()
    ]
    meta = {**run.meta, "machine": {**run.meta["machine"], "gpus": [{"name": "synthetic GPU"}]}}
    text = verdict(cuda, meta)
    assert "Measured on the GPU" in text
    assert "no GPU" not in text
    assert "No GPU took part" not in text
    assert "No ceiling was measured" in text


def test_a_busy_machine_is_named(run: RunFolder, synthetic: ModuleType) -> None:
    busy = {**synthetic.CEILINGS, "noisy": ["int8_tops"], "load_average": 3.5}
    unsteady = [
        row.model_copy(update={"time_us_iqr": 0.5 * row.time_us_median}) if row.time_us_median else row
        for row in run.rows()
    ]
    text = verdict(unsteady, {**run.meta, "ceilings": {"cpu": busy}})
    assert "18 of 18 times spread by more than 20 %" in text
    assert "int8_tops were unsteady" in text
    assert "load average before it was 3.5 on 2 threads" in text


def test_load_before_a_steady_run_is_no_alarm(run: RunFolder, synthetic: ModuleType) -> None:
    loaded = {"cpu": {**synthetic.CEILINGS, "load_average": 3.5}}
    assert "Not a quiet machine" not in verdict(run.rows(), {**run.meta, "ceilings": loaded})


def test_rows_that_are_all_wrong_give_no_gain(run: RunFolder) -> None:
    wrong = [row.model_copy(update={"status": "incorrect"}) for row in run.rows()]
    text = verdict(wrong, run.meta)
    assert "no row is ok" in text
    assert "0 of 18 bit for bit" in text


def test_a_roof_that_contradicts_itself_is_named(run: RunFolder, synthetic: ModuleType) -> None:
    assert "in doubt" not in verdict(run.rows(), run.meta)
    doubtful = {**synthetic.CEILINGS, "contradictions": ["the s8 GEMM ran at 2e12 operations/s"]}
    text = verdict(run.rows(), {**run.meta, "ceilings": {"cpu": doubtful}})
    assert "**The roof is in doubt**: the s8 GEMM ran at 2e12 operations/s." in text
