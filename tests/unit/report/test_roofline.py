from __future__ import annotations

from math import prod
from types import ModuleType

import pytest

from immabench.hardware import find_gpu
from immabench.measure.roof import ceilings_by_device
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.profile.actions import Action
from immabench.report.roofline import Peak, Roofline, rooflines, traffic_of


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


def test_of_older_ceilings_a_type_has_a_roof_where_rows_use_it(run: RunFolder) -> None:
    (roof,) = rooflines(run.rows(), run.meta)
    assert [peak.precision for peak in roof.peaks] == ["s8", "bf16", "f32"]
    ints = [row for row in run.rows() if row.a_type == "s8"]
    (roof,) = rooflines(ints, run.meta)
    assert [peak.precision for peak in roof.peaks] == ["s8", "f32"]


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


def test_instructions_and_reads_are_the_roof_where_they_were_measured(run: RunFolder, synthetic: ModuleType) -> None:
    meta = {**run.meta, "ceilings": {"cpu": synthetic.WITH_INSTRUCTIONS}}
    (roof,) = rooflines(run.rows(), meta)
    assert Peak("s8", 1.2, "invented dot") in roof.peaks
    assert Peak("f32", 0.2, "torch GEMM") in roof.peaks
    assert roof.memory_label == "read 50.0 GB/s"
    assert roof.roof_at(10.0, 1.2) == pytest.approx(0.5)
    assert roof.knee(1.2) == pytest.approx(24.0)


@pytest.fixture
def gpu_roof(synthetic_gpu: ModuleType) -> Roofline:
    rows = synthetic_gpu.rows()
    (roof,) = rooflines(rows, synthetic_gpu.meta(), synthetic_gpu.traffic(rows))
    return roof


def on_h200(synthetic_gpu: ModuleType) -> Roofline:
    """The synthetic rows as if a GPU of the table had made them: only its data sheet is real."""
    rows = [row.model_copy(update={"device": "NVIDIA H200"}) for row in synthetic_gpu.rows()]
    (roof,) = rooflines(rows, synthetic_gpu.meta())
    return roof


def test_every_type_with_a_native_instruction_has_a_roof(gpu_roof: Roofline) -> None:
    rates = {peak.precision: peak.tops for peak in gpu_roof.peaks}
    assert rates == {"s4": 1190.0, "s8": 598.0, "f16": 301.0, "bf16": 299.0, "f32": 17.0}
    assert list(rates) == sorted(rates, key=lambda kind: -rates[kind])


def test_what_is_absent_or_a_routine_is_no_roof(synthetic_gpu: ModuleType) -> None:
    routine = [synthetic_gpu._instruction("s4", 900.0, "emulated"), synthetic_gpu._instruction("s8", 598.0)]
    meta = {"ceilings": {"cuda": {**synthetic_gpu.CEILINGS, "instructions": routine}}}
    (roof,) = rooflines(synthetic_gpu.rows(), meta)
    assert "s4" not in {peak.precision for peak in roof.peaks}


def test_each_level_of_memory_has_a_slope_to_its_knee(gpu_roof: Roofline) -> None:
    dram, l2 = gpu_roof.slope_lines()
    assert (dram.text, l2.text) == ("DRAM 1,800 GB/s, read", "L2 5,200 GB/s, read")
    for line, gbps in ((dram, 1800.0), (l2, 5200.0)):
        assert line.x[1] == pytest.approx(1190.0 * 1e3 / gbps)
        assert [y / x for x, y in zip(line.x, line.y, strict=True)] == pytest.approx([gbps / 1e3] * 2)
        assert all(0 <= share <= 1.000001 for end in zip(line.x, line.y, strict=True) for share in gpu_roof.place(*end))


def test_the_better_of_reading_and_copying_is_the_slope(synthetic_gpu: ModuleType) -> None:
    copied = {**synthetic_gpu.CEILINGS, "read_gbps": 1.0, "cache_read_gbps": None}
    (roof,) = rooflines(synthetic_gpu.rows(), {"ceilings": {"cuda": copied}})
    assert [line.text for line in roof.slope_lines()] == ["DRAM 1,700 GB/s, copy", "L2 4,100 GB/s, copy"]


def test_the_cache_of_a_cpu_is_not_called_l2(run: RunFolder, synthetic: ModuleType) -> None:
    meta = {**run.meta, "ceilings": {"cpu": {**synthetic.CEILINGS, "cache_read_gbps": 90.0}}}
    (roof,) = rooflines(run.rows(), meta)
    assert [line.text for line in roof.slope_lines()] == ["DRAM 33.0 GB/s, copy", "LLC 90.0 GB/s, read"]


def test_a_data_sheet_stands_apart_and_judges_nothing(synthetic_gpu: ModuleType) -> None:
    gpu, roof = find_gpu("NVIDIA H200"), on_h200(synthetic_gpu)
    assert gpu is not None
    assert roof.sheet is not None
    stated = [line for line in (*roof.peak_lines(), *roof.slope_lines()) if not line.measured]
    assert [line.text for line in stated] == [
        "int8 1,979 Top/s, data sheet", "fp16 989 Top/s, data sheet", "DRAM 4,800 GB/s, data sheet",
    ]  # fmt: skip
    assert {peak.precision: peak.tops for peak in roof.sheet.peaks} == {"s8": gpu.int8_tops, "f16": gpu.float16_tflops}
    measured = [line for line in (*roof.peak_lines(), *roof.slope_lines()) if line.measured]
    assert len(measured) == len(roof.peaks) + 2
    assert not any("data sheet" in line.text for line in measured)
    assert roof.roof_at(1e9, 598.0) == 598.0


def test_unknown_gpus_and_cpus_have_no_data_sheet(gpu_roof: Roofline, run: RunFolder) -> None:
    assert gpu_roof.sheet is None
    (roof,) = rooflines(run.rows(), run.meta)
    assert roof.sheet is None


def test_a_profiled_row_has_both_intensities_at_one_rate(gpu_roof: Roofline, synthetic_gpu: ModuleType) -> None:
    traffic = synthetic_gpu.traffic(synthetic_gpu.rows())
    profiled = [point for point in gpu_roof.points if point.profiled]
    assert {point.row.row_id for point in profiled} == set(traffic)
    for point in profiled:
        operations, (dram, l2) = 2.0 * prod(point.row.sizes), traffic[point.row.row_id]
        assert point.intensity == pytest.approx(operations / dram)
        assert point.l2_intensity == pytest.approx(operations / l2)
        assert point.tops == point.row.tops
    assert "DRAM" in gpu_roof.intensity_title


def test_without_a_profile_intensity_is_compulsory_and_says_so(synthetic_gpu: ModuleType) -> None:
    (roof,) = rooflines(synthetic_gpu.rows(), synthetic_gpu.meta())
    assert all(point.intensity == point.row.flops_per_byte for point in roof.points)
    assert "compulsory" in roof.intensity_title
    assert "DRAM" not in roof.intensity_title


def launch(row_id: str, dram: float | None, l2_sectors: float | None, report: str = "a") -> Action:
    counts = {"dram_read": dram, "dram_write": dram and 1.0, "l2_read_sectors": l2_sectors, "l2_write_sectors": 0.0}
    metrics = {name: count for name, count in counts.items() if count is not None}
    return Action(row_id=row_id, kernel_id="k", report=report, function="f", metrics=metrics)


def test_traffic_is_that_of_all_launches_of_a_row() -> None:
    assert traffic_of([launch("row", 10, 30), launch("row", 5, 6)]) == {"row": (17, 36 * 32)}


def test_a_row_profiled_twice_is_not_counted_twice() -> None:
    assert traffic_of([launch("row", 10, 30), launch("row", 11, 31, "b")]) == {"row": (11, 30 * 32)}
    assert traffic_of([launch("row", 1, None), launch("row", 11, 31, "b")]) == {"row": (12, 31 * 32)}


def test_launches_without_a_row_a_count_or_dram_traffic_have_no_intensity() -> None:
    partial = [launch("partial", 10, 30), launch("partial", None, 6)]
    assert traffic_of([launch("", 1, 1), *partial, launch("warm", 0, 9)]) == {}


def test_a_place_and_its_values_are_inverse(gpu_roof: Roofline) -> None:
    assert gpu_roof.place(*gpu_roof.at(0.3, 0.8)) == pytest.approx((0.3, 0.8))


@pytest.mark.parametrize("count", [1, 3, 290])
def test_everything_is_inside_the_axes(synthetic_gpu: ModuleType, count: int) -> None:
    rows: list[Row] = synthetic_gpu.rows()[:count]
    (roof,) = rooflines(rows, synthetic_gpu.meta(), synthetic_gpu.traffic(rows))
    places = [roof.place(point.intensity, point.tops * roof.unit.factor) for point in roof.points]
    ends = [end for line in (*roof.peak_lines(), *roof.slope_lines()) for end in zip(line.x, line.y, strict=True)]
    assert all(0 < share < 1 for place in places for share in place)
    assert all(-1e-9 <= share <= 1 + 1e-9 for end in ends for share in roof.place(*end))
