from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import MissingHardwareError
from immabench.report.sass import sass_report, sass_table

FACT: dict[str, Any] = {
    "kernel_id": "imma_s8s8s32_128x128x64_w2x4_s3_sm80",
    "variant": "aligned",
    "arch": "sm_90a",
    "registers": 128,
    "static_shared_bytes": 1024,
    "dynamic_shared_bytes": 48 * 1024,
    "spills": 0,
    "mma": {"IMMA.16832.S8.S8": 64},
    "main_loop": {"instructions": 200, "mma": {"IMMA.16832.S8.S8": 64}},
    "occupancy": {"blocks_per_sm": 2, "warps_per_sm": 16, "limited_by": "registers"},
}


def test_facts_become_one_line() -> None:
    (line,) = sass_table([FACT]).records()
    assert line["registers (a thread)"] == 128
    assert line["main loop (% MMA)"] == pytest.approx(32)
    assert line["limited by"] == "registers"
    assert sass_table([FACT]).rows[0][6].text == "IMMA.16832.S8.S8 ×64"


def test_a_kernel_without_a_loop_has_no_share() -> None:
    assert sass_table([{**FACT, "main_loop": None}]).rows[0][7].text == "–"


def test_a_build_without_facts_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> dict[str, Any]:
        raise MissingHardwareError("the table is not in this installation", "reinstall it")

    monkeypatch.setattr("immabench.profile.load_sass_facts", absent)
    report = sass_report()
    assert report.table.rows == []
    assert report.note == "The table is not in this installation. Remedy: reinstall it."
