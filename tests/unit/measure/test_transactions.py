"""Transactions read from the counts of a row."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.measure.transactions import Against, by_operation, place_of, short_path, total, worst_line

COUNTS: dict[str, Any] = {
    "mma": 4,
    "global_load": {"bytes": 512, "sectors": 32, "ideal": 16},
    "async_copy": {"bytes": 512, "sectors": 16, "ideal": 16, "wavefronts": 12, "ideal_wavefronts": 4},
    "ldmatrix": {"bytes": 512, "wavefronts": 4, "ideal": 4},
}


def line(place: int, unit: str, units: int, ideal: int) -> dict[str, Any]:
    return {"file": "/a/kernels/parts/a.cuh", "line": place, "unit": unit, "units": units, "ideal": ideal}


def test_operations_stand_beside_their_ideal_by_unit() -> None:
    sectors, wavefronts = by_operation(COUNTS, "sectors"), by_operation(COUNTS, "wavefronts")
    assert sectors["global_load"] == Against(32, 16)
    assert sectors["async_copy"] == Against(16, 16)
    assert wavefronts["async_copy"] == Against(12, 4)
    assert total(wavefronts.values()) == Against(16, 8)
    assert total(sectors.values()).ratio == 1.5
    assert total(sectors.values()).excess == 16


def test_what_moves_nothing_has_no_ratio() -> None:
    assert total(by_operation({"mma": 4}, "sectors").values()).ratio is None


def test_the_worst_line_is_the_one_with_most_in_excess() -> None:
    lines = [line(1, "sectors", 90, 80), line(2, "sectors", 16, 4), line(3, "wavefronts", 99, 1)]
    found = worst_line({"lines": lines}, "sectors")
    assert found is not None
    assert place_of(found) == "parts/a.cuh:2"
    assert worst_line({"lines": [line(1, "sectors", 8, 8)]}, "sectors") is None
    assert worst_line({}, "sectors") is None


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("/a/kernels/gemm/gemm_s8.cuh", "gemm/gemm_s8.cuh"),
        ("x\\kernels\\parts\\a.hpp", "parts/a.hpp"),
        ("/a/b.cpp", "b.cpp"),
    ],
)
def test_paths_lose_what_a_build_put_before_them(path: str, short: str) -> None:
    assert short_path(path) == short
