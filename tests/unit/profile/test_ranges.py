"""Ranges: which the profiler's own filter selects, and what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest
from ncu_files import Launch, write_report

from immabench.profile.ranges import DOMAIN, NVTX_INCLUDE, PROFILED, kernel_of, row_of

ROW = "imma_1@gemm_s8_m1_n2_k3_f16@cuda"


def test_the_filter_selects_what_is_profiled_and_nothing_else(tmp_path: Path) -> None:
    ncu_report = pytest.importorskip("ncu_report", reason="the profiler's own filter: pip install 'immabench[profile]'")
    stacks = [[PROFILED, ROW], [ROW], [PROFILED, ROW, "imma_1"], ["x" + PROFILED, ROW], [ROW, PROFILED]]
    launches = [Launch({DOMAIN: stack}) for stack in stacks] + [Launch({"other": [PROFILED, ROW]}), Launch()]
    report = ncu_report.load_report(str(write_report(tmp_path / "r.ncu-rep", launches)))
    assert list(report.range_by_idx(0).actions_by_nvtx([NVTX_INCLUDE], [])) == [0, 2, 4]


@pytest.mark.parametrize(
    ("names", "row", "kernel"),
    [
        ([PROFILED, ROW, "imma_1"], ROW, "imma_1"),
        ([ROW, ROW], ROW, "imma_1"),
        (["imma_1"], "", "imma_1"),
        ([PROFILED, "imma_1"], "", "imma_1"),
        ([PROFILED], "", ""),
        ([], "", ""),
    ],
)
def test_rows_and_kernels_are_told_from_ranges(names: list[str], row: str, kernel: str) -> None:
    assert (row_of(names), kernel_of(names)) == (row, kernel)
