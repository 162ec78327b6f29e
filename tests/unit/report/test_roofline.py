from __future__ import annotations

from types import ModuleType

import pytest

from immabench.measure.roof import ceilings_by_device
from immabench.measure.run_folder import RunFolder
from immabench.report.roofline import Peak, Roofline, rooflines


def test_ceilings_are_read_in_every_stored_form(synthetic: ModuleType) -> None:
    assert ceilings_by_device({"ceilings": None}) == {}
    assert ceilings_by_device({"ceilings": synthetic.CEILINGS}) == {"cpu": synthetic.CEILINGS}
    assert ceilings_by_device({"ceilings": {"cpu": synthetic.CEILINGS}}) == {"cpu": synthetic.CEILINGS}


def test_only_timed_rows_are_points_and_each_keeps_its_share(run: RunFolder) -> None:
    (roof,) = rooflines(run.rows(), run.meta)
    assert len(roof.points) == 18
    assert {point.row.device_kind for point in roof.points} == {"cpu"}
    for point in roof.points:
        peak = {peak.precision: peak.tops for peak in roof.peaks}[point.row.a_type]
        assert point.pct_roof == pytest.approx(100 * point.tops / roof.roof_at(point.intensity, peak))


def test_half_precisions_have_a_roof_only_where_rows_use_them(run: RunFolder) -> None:
    (roof,) = rooflines(run.rows(), run.meta)
    assert [peak.precision for peak in roof.peaks] == ["s8", "f32", "bf16"]


def test_a_run_without_ceilings_has_points_and_no_roof(run: RunFolder) -> None:
    (roof,) = rooflines(run.rows(), {**run.meta, "ceilings": None})
    assert roof.peaks == ()
    assert roof.memory is None
    assert roof.knee(1.0) == 0.0
    assert len(roof.points) == 18


def test_ceilings_of_a_device_without_rows_draw_nothing(run: RunFolder) -> None:
    emulated = [row for row in run.rows() if row.device_kind == "emulated"]
    (roof,) = rooflines(emulated, run.meta)
    assert roof.points == ()


def test_cuda_rows_stand_under_their_own_ceilings(run: RunFolder, synthetic: ModuleType) -> None:
    cpu = next(row for row in run.rows() if row.tops)
    cuda = cpu.model_copy(update={"device_kind": "cuda", "device": "synthetic GPU", "tops": 500.0})
    meta = {"ceilings": {"cpu": synthetic.CEILINGS, "cuda": {**synthetic.CEILINGS, "int8_tops": 1000.0}}}
    roofs = {roof.device_kind: roof for roof in rooflines([cpu, cuda], meta)}
    assert [len(roof.points) for roof in roofs.values()] == [1, 1]
    assert Peak("s8", 1000.0, "torch GEMM") in roofs["cuda"].peaks
    assert roofs["cuda"].unit.name == "Top/s"


def test_peaks_too_close_for_two_labels_share_one(run: RunFolder) -> None:
    (roof,) = rooflines(run.rows(), run.meta)
    rates = {"f16": 0.40, "bf16": 0.42, "s8": 0.9}
    peaks = tuple(Peak(kind, tops, "torch GEMM") for kind, tops in rates.items())
    close = Roofline(**{**vars(roof), "peaks": peaks})  # type: ignore[arg-type]
    assert [text for _, text in close.peak_labels()] == ["int8 900 Gop/s", "bf16 420 Gop/s, fp16 400 Gop/s"]


def test_instructions_and_reads_are_the_roof_where_they_were_measured(run: RunFolder, synthetic: ModuleType) -> None:
    meta = {**run.meta, "ceilings": {"cpu": synthetic.WITH_INSTRUCTIONS}}
    (roof,) = rooflines(run.rows(), meta)
    assert Peak("s8", 1.2, "invented dot") in roof.peaks
    assert Peak("f32", 0.2, "torch GEMM") in roof.peaks
    assert roof.memory_label == "read 50.0 GB/s"
    assert roof.roof_at(10.0, 1.2) == pytest.approx(0.5)
    assert roof.knee(1.2) == pytest.approx(24.0)
