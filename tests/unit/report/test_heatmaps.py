from __future__ import annotations

from types import ModuleType

import pytest

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.document import Document
from immabench.report.grids import Grid
from immabench.report.heatmaps import MOST_LOSS, speedup_grids, tile_grids
from immabench.report.keys import row_key
from immabench.report.plots.grid import grid_records
from immabench.report.speed import timings


def named(document: Document) -> dict[str, Grid]:
    return {grid.name: grid for grid in document.heatmaps}


def fastest(rows: list[Row], provider: str, kind: str, sizes: tuple[int, ...]) -> Row:
    of = [row for row in rows if (row.provider, row.a_type, row.b_type, row.sizes) == (provider, kind, kind, sizes)]
    return min(of, key=lambda row: row.time_us_median or 0.0)


def test_a_speedup_is_the_time_of_the_named_baseline_over_that_of_our_best_int8(
    gpu_document: Document, synthetic_gpu: ModuleType
) -> None:
    rows = synthetic_gpu.rows()
    grid = named(gpu_document)["speedup_cuda_synthetic-decode_over_cublaslt_int8"]
    assert grid.title == "Speedup of hand-written int8 over cuBLASLt int8: synthetic-decode on the GPU"
    assert grid.columns == [str(m) for m in synthetic_gpu.DECODE_M]
    assert grid.rows == ["K=4096  N=4096", "K=4096  N=12288", "K=11008  N=4096"]
    assert grid.breaks == (2,)
    for i, (n, k) in enumerate(((4096, 4096), (12288, 4096), (4096, 11008))):
        for j, m in enumerate(synthetic_gpu.DECODE_M):
            ours, theirs = (fastest(rows, who, "s8", (m, n, k)) for who in ("handwritten", "cublaslt"))
            assert grid.values[i][j] == pytest.approx(theirs.time_us_median / ours.time_us_median)
            assert grid.keys[i][j] == row_key(ours)


def test_the_scale_of_a_speedup_has_equality_in_its_middle(gpu_document: Document) -> None:
    for grid in gpu_document.heatmaps:
        if grid.diverging:
            assert grid.low * grid.high == pytest.approx(1)
            assert grid.high >= 1.25


def test_squares_stand_in_one_line(gpu_document: Document, synthetic_gpu: ModuleType) -> None:
    grid = named(gpu_document)["speedup_cuda_synthetic-square_over_fp16"]
    assert grid.columns == [f"{n}×{n}×{n}" for n in synthetic_gpu.SQUARES]
    assert len(grid.values) == 1
    assert grid.note == "Above 1 int8 is faster."


def test_without_own_rows_the_title_says_whose_int8_it_is(run: RunFolder) -> None:
    found = timings(run.rows())
    grids = speedup_grids(found)
    assert [grid.name for grid in grids] == [
        "speedup_cpu_synthetic-net_over_bf16", "speedup_cpu_synthetic-net_over_fp32",
    ]  # fmt: skip
    assert grids[1].title == "Speedup of torch int8 over fp32: synthetic-net on the CPU"
    assert sorted(value for _, _, value in grids[1].cells) == sorted(
        one.speedup for one in found if one.row.a_type == "s8" and one.speedup
    )


def test_of_cases_with_one_shape_the_smallest_gain_is_shown(synthetic_gpu: ModuleType) -> None:
    rows = [row for row in synthetic_gpu.rows() if row.case == "square"]
    slower = [
        row.model_copy(update={"case": "again", "time_us_median": 3 * row.time_us_median})
        if row.provider == "handwritten"
        else row.model_copy(update={"case": "again"})
        for row in rows
    ]
    grids = {grid.name: grid for grid in speedup_grids(timings([*rows, *slower]))}
    alone = {grid.name: grid for grid in speedup_grids(timings(slower))}
    name = "speedup_cuda_synthetic-square_over_fp32"
    assert grids[name].values == alone[name].values


def test_batches_failures_and_a_single_shape_make_no_speedup_grid(synthetic_gpu: ModuleType) -> None:
    rows = synthetic_gpu.rows()
    assert speedup_grids(timings([row.model_copy(update={"batch": 4}) for row in rows])) == []
    assert speedup_grids(timings([row.model_copy(update={"status": "invalid"}) for row in rows])) == []
    assert speedup_grids(timings([row for row in rows if row.sizes == (256, 256, 256)])) == []


def test_a_suite_given_by_its_path_names_a_file(run: RunFolder) -> None:
    rows = [row.model_copy(update={"suite": "./my suites/a.toml"}) for row in run.rows()]
    assert {grid.name for grid in speedup_grids(timings(rows))} == {
        "speedup_cpu_my-suites-a-toml_over_bf16", "speedup_cpu_my-suites-a-toml_over_fp32",
    }  # fmt: skip


def test_a_tile_is_its_time_over_that_of_the_best_for_the_shape(gpu_document: Document) -> None:
    grid = named(gpu_document)["tiles_cuda_s8"]
    assert len(grid.rows) == 4
    assert len(grid.columns) == 29
    for column in zip(*grid.values, strict=True):
        assert min(value for value in column if value) == 1.0
    assert grid.low == 1.0
    assert 1.25 <= grid.high <= MOST_LOSS


def test_tiles_that_are_best_on_the_whole_come_first(synthetic_gpu: ModuleType) -> None:
    rows = [row for row in synthetic_gpu.rows() if row.provider == "handwritten" and row.b_type == "s8"]
    last = sorted({row.kernel_id for row in rows})[0]
    slowed = [
        row.model_copy(update={"time_us_median": 2 * row.time_us_median}) if row.kernel_id == last else row
        for row in rows
    ]
    (grid,) = tile_grids(slowed)
    assert grid.rows[-1] == last
    assert grid.rows[0] != last


def test_tiles_that_were_not_timed_are_empty_cells(synthetic_gpu: ModuleType) -> None:
    rows = [row for row in synthetic_gpu.rows() if row.provider == "handwritten" and row.b_type == "s8"]
    (grid,) = tile_grids(rows[1:])
    assert len(grid.cells) == len(rows) - 1
    assert grid.note.endswith("1 of 116 cells are empty: not timed.")
    assert [key is None for line in grid.keys for key in line].count(True) == 1


def test_one_tile_a_shape_and_other_providers_make_no_tile_grid(synthetic_gpu: ModuleType, run: RunFolder) -> None:
    rows = synthetic_gpu.rows()
    assert [grid.name for grid in tile_grids(rows)] == ["tiles_cuda_s8"]
    assert tile_grids([row for row in rows if row.provider != "handwritten"]) == []
    assert tile_grids(run.rows()) == []


def test_shapes_of_two_cases_are_told_apart(synthetic_gpu: ModuleType) -> None:
    rows = [row for row in synthetic_gpu.rows() if row.sizes == (256, 256, 256)]
    twice = [*rows, *(row.model_copy(update={"case": "again"}) for row in rows)]
    (grid,) = tile_grids(twice)
    assert sorted(grid.columns) == ["256×256×256 again", "256×256×256 square"]
    elsewhere = [*twice, *(row.model_copy(update={"suite": "other"}) for row in twice)]
    (grid,) = tile_grids(elsewhere)
    assert len(set(grid.columns)) == 4


def test_the_csv_of_a_grid_has_every_cell(gpu_document: Document) -> None:
    for grid in gpu_document.heatmaps:
        records = grid_records(grid)
        key = f"{grid.name}_ratio"
        assert [record[key] for record in records] == [cell for line in grid.values for cell in line]


def test_what_is_too_much_to_draw_is_said(synthetic_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.report.heatmaps.MOST_SHAPES", 3)
    monkeypatch.setattr("immabench.report.heatmaps.MOST_TILES", 2)
    (grid,) = tile_grids(synthetic_gpu.rows())
    assert (len(grid.rows), len(grid.columns)) == (2, 3)
    assert "The 3 shapes with most work are drawn, 26 more are in rows.csv." in grid.note
    assert "The 2 best tiles are drawn, 2 more are in rows.csv." in grid.note
    grids = {one.name: one for one in speedup_grids(timings(synthetic_gpu.rows()))}
    assert "The 3 shapes" in grids["speedup_cuda_synthetic-square_over_fp32"].note
    assert "shapes" not in grids["speedup_cuda_synthetic-decode_over_fp32"].note
