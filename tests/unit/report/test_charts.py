"""Charts of the page: numbers a browser can draw, colours the page knows, and the row behind every point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from typing import Any

import pytest

from immabench.measure.roof import Limit
from immabench.measure.run_folder import RunFolder
from immabench.report.charts import roofline_chart
from immabench.report.document import Document, gather
from immabench.report.keys import row_key
from immabench.report.page import charts_of
from immabench.report.palette import COLOURS, GRID, INK, MUTED, PAPER
from immabench.report.roofline import DataSheet, Peak

NAMES = {f"@{one.name}" for one in (*COLOURS, GRID, INK, MUTED, PAPER)}


@pytest.fixture
def charts(gpu_document: Document, run: RunFolder) -> list[tuple[str, dict[str, Any]]]:
    cpu = gather(run.rows(), run.meta)
    return [*charts_of(gpu_document).items(), *charts_of(cpu).items()]


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def test_every_chart_has_finite_numbers(charts: list[tuple[str, dict[str, Any]]]) -> None:
    assert len(charts) == 13 + 8
    for name, chart in charts:
        json.dumps(chart, allow_nan=False)
        assert chart["data"], name
        for trace in chart["data"]:
            numbers = [value for key in ("x", "y", "z") for value in leaves(trace.get(key)) if value is not None]
            assert numbers, name
            assert all(isfinite(value) for value in numbers if not isinstance(value, str)), name


def test_every_colour_is_one_the_page_knows(charts: list[tuple[str, dict[str, Any]]]) -> None:
    for name, chart in charts:
        used = {text for text in leaves(chart) if isinstance(text, str) and text.startswith("@")}
        assert used <= NAMES, name


def test_the_points_of_a_chart_name_their_rows(gpu_document: Document) -> None:
    keys = {row_key(point.row) for point in gpu_document.drawn_rooflines[0].points}
    charts = charts_of(gpu_document)
    for name in ("roofline-cuda", "share-cuda", "gain-cuda", "cliffs-cuda_n4096_k4096"):
        traces = [trace for trace in charts[name]["data"] if "customdata" in trace]
        assert traces, name
        for trace in traces:
            assert len(trace["customdata"]) == len(trace["x"]) == len(trace["y"]) == len(trace["text"])
            assert {key for (key,) in trace["customdata"]} <= keys
    points = [one for trace in charts["roofline-cuda"]["data"] for one in trace.get("customdata", [])]
    assert {key for (key,) in points} == keys


def test_the_cells_of_a_grid_name_their_rows(gpu_document: Document) -> None:
    charts = charts_of(gpu_document)
    for grid in gpu_document.heatmaps:
        (trace,) = charts[f"grid-{grid.name}"]["data"]
        shape = [[cell is None for cell in line] for line in trace["z"]]
        assert shape == [[key is None for (key,) in line] for line in trace["customdata"]]


def test_a_click_on_the_legend_takes_a_whole_series(gpu_document: Document) -> None:
    for name in ("roofline-cuda", "share-cuda", "cliffs-cuda_n4096_k4096"):
        traces = [trace for trace in charts_of(gpu_document)[name]["data"] if "customdata" in trace]
        shown = [trace["legendgroup"] for trace in traces if trace.get("showlegend", True)]
        assert sorted(shown) == sorted(set(shown)) == sorted({trace["legendgroup"] for trace in traces})


def test_the_data_sheet_is_dashed_and_what_was_measured_is_not(gpu_document: Document) -> None:
    (roof,) = gpu_document.drawn_rooflines
    source = "a synthetic sheet"
    sheet = DataSheet((Peak("s8", 700.0, source),), Limit(2000.0, source), source)
    data = roofline_chart(replace(roof, sheet=sheet))["data"]
    dashes = {trace["name"]: trace["line"]["dash"] for trace in data if trace["mode"] == "lines" and "name" in trace}
    assert {name for name, dash in dashes.items() if dash != "solid"} == {
        "int8 700 Top/s, data sheet",
        "DRAM 2,000 GB/s, data sheet",
    }
    assert dashes["int8 598 Top/s"] == "solid"
