from __future__ import annotations

from types import ModuleType

import pytest

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.cliffs import CLIFF, Sweep, callouts, sweeps_over_m
from immabench.report.palette import Series

OWN = Series("handwritten", "s8")


@pytest.fixture
def sweeps(synthetic_gpu: ModuleType) -> list[Sweep]:
    return sweeps_over_m(synthetic_gpu.rows())


def line_of(times: dict[int, float], synthetic_gpu: ModuleType, kernels: dict[int, str] | None = None) -> Sweep:
    """One series at 4096 x 4096 with these times."""
    rows: list[Row] = []
    for m, time in times.items():
        kernel = (kernels or {}).get(m, "a kernel")
        row = synthetic_gpu.row_of(("decode", m, 4096, 4096), "handwritten", "s8", 0.5, kernel)
        rows.append(row.model_copy(update={"time_us_median": time}))
    (sweep,) = sweeps_over_m(rows)
    return sweep


def test_rows_that_share_all_but_m_are_one_sweep(sweeps: list[Sweep], synthetic_gpu: ModuleType) -> None:
    assert {(one.n, one.k) for one in sweeps} == set(synthetic_gpu.WEIGHTS)
    for one in sweeps:
        assert one.sizes == list(synthetic_gpu.DECODE_M)
        assert len(one.lines) == 7
        assert one.case == "decode"


def test_baselines_of_an_older_run_are_a_sweep_of_what_they_computed(synthetic_gpu: ModuleType) -> None:
    rows = [
        synthetic_gpu.row_of(("decode", m, 4096, 4096), provider, kind, 0.5).model_copy(update={"asked": None})
        for provider, kind in (("cublaslt", "s8"), ("torch", "f32"))
        for m in (1, 2, 4)
    ]
    assert {line.series.precision for one in sweeps_over_m(rows) for line in one.lines} == {"s8", "f32"}
    assert [len(one.lines) for one in sweeps_over_m(rows)] == [1, 1]


def test_each_step_is_the_fastest_row_of_its_m(sweeps: list[Sweep], synthetic_gpu: ModuleType) -> None:
    for sweep in sweeps:
        for line in sweep.lines:
            for step in line.steps:
                same = [
                    row.time_us_median
                    for row in synthetic_gpu.rows()
                    if (row.provider, row.a_type) == (step.row.provider, step.row.a_type)
                    and row.sizes == step.row.sizes
                ]
                assert step.microseconds == min(same)
                assert step.tops == pytest.approx(step.row.tops)


def test_the_planted_cliff_is_found_and_no_other(sweeps: list[Sweep], synthetic_gpu: ModuleType) -> None:
    for sweep in sweeps:
        jumps = {line.series: [jump.after.m for jump in line.jumps] for line in sweep.lines}
        assert jumps[OWN] == [synthetic_gpu.CLIFF_M]
        assert jumps[Series("cublaslt", "s8")] == []
        assert [jump.after.m for jump in sweep.worst_jumps] == [synthetic_gpu.CLIFF_M]


@pytest.mark.parametrize(("after", "found"), [(10.0 * CLIFF * 17 / 16 + 0.01, 1), (10.0 * CLIFF * 17 / 16 - 0.01, 0)])
def test_a_jump_is_time_beyond_what_m_explains(synthetic_gpu: ModuleType, after: float, found: int) -> None:
    sweep = line_of({8: 9.0, 16: 10.0, 17: after}, synthetic_gpu)
    assert len(sweep.lines[0].jumps) == found


def test_time_that_grows_as_m_does_is_no_cliff(synthetic_gpu: ModuleType) -> None:
    sweep = line_of({16: 10.0, 64: 40.0, 1024: 640.0}, synthetic_gpu)
    assert sweep.lines[0].jumps == []
    assert sweep.note == ""


def test_a_jump_says_how_much_where_and_whose(synthetic_gpu: ModuleType) -> None:
    sweep = line_of({8: 10.0, 16: 10.0, 17: 14.0, 32: 14.0}, synthetic_gpu)
    (jump,) = sweep.worst_jumps
    assert jump.text == "×1.4 at M=17, handwritten int8"
    assert jump.excess == pytest.approx(1.4 * 16 / 17)


def test_a_change_of_kernel_is_marked_where_it_takes_over(synthetic_gpu: ModuleType) -> None:
    sweep = line_of({8: 9.0, 16: 10.0, 17: 11.0, 32: 12.0}, synthetic_gpu, {17: "wide", 32: "wide"})
    assert [step.m for step in sweep.lines[0].switches] == [17]
    assert "another kernel" in sweep.note


def test_two_sizes_convolutions_and_failed_rows_are_no_sweep(synthetic_gpu: ModuleType, run: RunFolder) -> None:
    rows = [row for row in synthetic_gpu.rows() if row.m in (16, 17)]
    assert sweeps_over_m(rows) == []
    assert sweeps_over_m(run.rows()) == []
    assert sweeps_over_m([row.model_copy(update={"status": "incorrect"}) for row in synthetic_gpu.rows()]) == []
    assert sweeps_over_m([row.model_copy(update={"conv": "1x1x1x1_f1"}) for row in synthetic_gpu.rows()]) == []


def test_epilogues_are_swept_apart_under_names_of_their_own(synthetic_gpu: ModuleType) -> None:
    rows = [row for row in synthetic_gpu.rows() if (row.n, row.k) == (4096, 4096)]
    biased = [row.model_copy(update={"asked": {**row.asked, "row_scale": "tensor"}}) for row in rows]
    names = [one.name for one in sweeps_over_m([*rows, *biased])]
    assert names == ["cuda_n4096_k4096", "cuda_n4096_k4096_2"]


def test_the_worst_cliff_comes_first(synthetic_gpu: ModuleType) -> None:
    rows = [
        row.model_copy(update={"time_us_median": 9 * row.time_us_median}) if (row.m, row.k) == (17, 11008) else row
        for row in synthetic_gpu.rows()
    ]
    assert sweeps_over_m(rows)[0].k == 11008


def test_callouts_stay_inside_and_off_each_other(synthetic_gpu: ModuleType) -> None:
    times = {1: 1.0, 2: 9.0, 3: 50.0, 4: 300.0, 64: 1e5}
    places = callouts(line_of(times, synthetic_gpu), 60)
    assert len(places) == 4
    for one in places:
        half = (len(one.text) + 3) / 60 / 2
        assert half - 1e-9 <= one.x <= 1 - half + 1e-9
    assert len({one.level for one in places}) == 4
