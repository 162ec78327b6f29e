"""Plots as a reader sees them: no text on another or cut off, and the CSV beside each holds what it draws."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pytest
from matplotlib import rc_context
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.document import Document, gather
from immabench.report.plots import plots_of, write_plots
from immabench.report.plots.files import Records
from immabench.report.plots.grid import grid_plot
from immabench.report.plots.roofline import roofline_plot
from immabench.report.plots.style import STYLE
from immabench.report.roofline import Roofline, rooflines

GPU_PLOTS = [
    "roofline_cuda",
    "share_of_roof_cuda",
    "gain_cuda",
    "cliffs_cuda_n12288_k4096",
    "cliffs_cuda_n4096_k11008",
    "cliffs_cuda_n4096_k4096",
    "speedup_cuda_synthetic-decode_over_cublaslt_int8",
    "speedup_cuda_synthetic-decode_over_fp16",
    "speedup_cuda_synthetic-decode_over_fp32",
    "speedup_cuda_synthetic-square_over_cublaslt_int8",
    "speedup_cuda_synthetic-square_over_fp16",
    "speedup_cuda_synthetic-square_over_fp32",
    "tiles_cuda_s8",
]


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    """As plots are written; figures are closed."""
    plt.switch_backend("Agg")
    with rc_context(STYLE):
        yield
    plt.close("all")


@pytest.fixture
def documents(gpu_document: Document, run: RunFolder) -> list[Document]:
    return [gpu_document, gather(run.rows(), run.meta)]


def test_the_run_of_a_gpu_has_every_plot(gpu_document: Document) -> None:
    assert sorted(plot.name for plot in plots_of(gpu_document)) == sorted(GPU_PLOTS)


def test_no_text_is_on_another_or_cut_off(documents: list[Document], text_boxes: ModuleType) -> None:
    for document in documents:
        for plot in plots_of(document):
            figure = plot.draw()
            assert text_boxes.overlapping(figure) == [], plot.name
            assert text_boxes.cut_off(figure) == [], plot.name
            plt.close(figure)


def roof_of(synthetic_gpu: ModuleType, rows: list[Row], device: str) -> Roofline:
    renamed = [row.model_copy(update={"device": device}) for row in rows]
    (roof,) = rooflines(renamed, synthetic_gpu.meta(), synthetic_gpu.traffic(renamed))
    return roof


@pytest.mark.parametrize("device", ["synthetic GPU", "NVIDIA H200"])  # of the latter only the data sheet is real
@pytest.mark.parametrize("count", [1, 3, 2030])
def test_rooflines_of_any_size_are_readable(
    synthetic_gpu: ModuleType, text_boxes: ModuleType, count: int, device: str
) -> None:
    noise = random.Random(7)
    rows = (7 * synthetic_gpu.rows())[:count]
    spread = [row.model_copy(update={"tops": row.tops * noise.uniform(0.3, 1.1)}) for row in rows]
    figure = roofline_plot(roof_of(synthetic_gpu, spread, device))
    assert text_boxes.overlapping(figure) == []
    assert text_boxes.cut_off(figure) == []


def test_the_detector_sees_texts_on_each_other_and_cut_off(text_boxes: ModuleType) -> None:
    figure = plt.figure()
    figure.text(0.5, 0.5, "one text")
    figure.text(0.51, 0.5, "another", rotation=30, rotation_mode="anchor")
    figure.text(0.1, 0.1, "apart")
    figure.text(0.97, 0.9, "too far right")
    assert text_boxes.overlapping(figure) == [("one text", "another")]
    assert text_boxes.cut_off(figure) == ["too far right"]


def test_turned_texts_beside_each_other_do_not_overlap(text_boxes: ModuleType) -> None:
    figure = plt.figure()
    for x in (0.4, 0.45):
        figure.text(x, 0.5, f"a long label at {x}", rotation=40, rotation_mode="anchor")
    assert text_boxes.overlapping(figure) == []


def drawn_places(figure: Figure, axes: int = 0) -> set[tuple[float, float]]:
    """Every finite place of a marker on some axes."""
    collections = figure.axes[axes].collections
    return {(float(x), float(y)) for one in collections for x, y in one.get_offsets() if isfinite(x) and isfinite(y)}


def drawn_plot(document: Document, name: str) -> tuple[Figure, Records]:
    """A plot and the numbers it says it shows."""
    plot = next(plot for plot in plots_of(document) if plot.name == name)
    return plot.draw(), plot.records


def test_the_csv_of_a_roofline_is_what_it_draws(gpu_document: Document, tmp_path: Path) -> None:
    assert "roofline_cuda" in write_plots(gpu_document, tmp_path)
    with (tmp_path / "roofline_cuda.csv").open() as file:
        records = list(csv.DictReader(file))
    points = [record for record in records if record["kind"] == "row"]
    keys = ("operations_per_byte", "l2_operations_per_byte")
    stated = {(float(one[key]), float(one["tops"])) for one in points for key in keys if one[key]}
    (roof,) = gpu_document.drawn_rooflines
    assert roof.unit.factor == 1.0
    assert drawn_places(roofline_plot(roof)) == stated
    ceilings = {one["name"]: one["tops"] or one["gbps"] for one in records if one["kind"] == "ceiling"}
    assert ceilings.keys() == {"s4", "s8", "f16", "bf16", "f32", "DRAM", "cache"}
    assert float(ceilings["DRAM"]) == 1800.0


def test_the_csv_of_a_cliff_plot_is_what_it_draws(gpu_document: Document) -> None:
    figure, records = drawn_plot(gpu_document, "cliffs_cuda_n4096_k4096")
    for axes, key in ((0, "time_us_median"), (1, "tops")):
        lines = [line for line in figure.axes[axes].lines if line.get_label()[0] != "_"]
        drawn = {(line.get_label(), float(x), float(y)) for line in lines for x, y in line.get_xydata()}
        assert drawn == {(one["series"], float(one["m"]), one[key]) for one in records}


def test_the_csv_of_shares_is_what_is_drawn(gpu_document: Document) -> None:
    figure, records = drawn_plot(gpu_document, "share_of_roof_cuda")
    assert {x for x, _ in drawn_places(figure)} == {one["pct_roof"] for one in records}


def test_a_grid_writes_its_values_into_its_cells(gpu_document: Document) -> None:
    for grid in gpu_document.heatmaps:
        figure = grid_plot(grid)
        written = [text.get_text() for text in figure.axes[0].texts]
        assert written == [grid.text(cell) for _, _, cell in grid.cells]
        for text in figure.axes[0].texts:
            assert to_rgba(text.get_color()) in (to_rgba("white"), to_rgba("black"))


def test_empty_cells_stay_empty_and_are_counted(gpu_document: Document) -> None:
    grid = gpu_document.heatmaps[0]
    values = [[None, *line[1:]] for line in grid.values]
    holed = replace(grid, values=values)
    assert len(grid_plot(holed).axes[0].texts) == len(grid.cells) - len(grid.rows)
    assert holed.note.endswith(f"{len(grid.rows)} of 24 cells are empty: not timed.")
    assert "empty" not in grid.note
