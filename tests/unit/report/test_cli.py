from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from immabench.cli import main
from immabench.measure.run_folder import RunFolder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["immabench", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_report_prints_where_the_page_is(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", str(run.path), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"run": str(run.path), "report": str(run.path / "report.html")}


def test_verify_writes_nothing_and_fails_on_drift(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", str(run.path), "--verify") == 0
    assert "0 differ" in capsys.readouterr().out
    assert not (run.path / "report.html").exists()
    rows = (run.path / "rows.jsonl").read_text(encoding="utf-8")
    (run.path / "rows.jsonl").write_text(rows.replace('"flops_per_byte":', '"flops_per_byte":1', 1), encoding="utf-8")
    assert call(monkeypatch, "report", str(run.path), "--verify", "--json") == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["checked"] > len(answer["drifts"]) > 0
    assert answer["drifts"][0]["field"] == "flops_per_byte"


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_a_missing_or_damaged_run_is_a_usage_error(
    run: RunFolder, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", str(run.path / "nowhere"), *options) == 2
    (run.path / "run.json").write_text("{", encoding="utf-8")
    assert call(monkeypatch, "report", str(run.path), *options) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("immabench: ") for line in errors)


def test_ceilings_prints_every_ceiling_with_its_unit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = {"size": 512, "samples": 9, "by": "torch"}
    operations, nbytes = {"unit": "1e12 operations/s"}, {"unit": "1e9 bytes/s"}
    dot = {"name": "invented dot", "operand_type": "s8", "accumulator": "s32", "status": "native", "cores": 2}
    found = {
        "device": "cpu",
        "device_name": "synthetic CPU",
        "threads": 2,
        "torch": "0",
        "method": "invented",
        "noisy": ["copy_gbps"],
        "int8_tops": 0.8,
        "copy_gbps": 30.0,
        "instructions": [
            {**dot, **operations, "rate": 0.92, "per_clock_per_core": 127.5, "clock_mhz": 3650.0, "reason": ""},
            {**dot, "name": "invented tiles", "status": "absent", "rate": None, "reason": "this CPU has none"},
            {**dot, **operations, "name": "invented routine", "status": "emulated", "rate": 0.1, "reason": "1 CALL",
             "per_clock_per_core": 14.0, "clock_mhz": 3650.0},
        ],
        "reasons": {"fp16_tflops": "torch: not implemented for 'Half'"},
        "contradictions": ["the s8 GEMM ran above"],
        "sizes": [
            {"what": "int8_tops", "rate": 0.8, **size, **operations},
            {"what": "copy_gbps", "rate": 30.0, **size, **nbytes},
        ],
    }  # fmt: skip
    monkeypatch.setattr("immabench.measure.ceilings.measure_ceilings", lambda device: found)
    assert call(monkeypatch, "ceilings") == 0
    shown = capsys.readouterr().out
    assert "800.0 Gop/s" in shown
    assert "30.00 GB/s" in shown
    assert "920.0 Gop/s on 2 cores     127.5 a clock and core at 3650 MHz" in shown
    assert "at 3650 MHz, emulated: 1 CALL" in shown
    assert shown.index("not measured") < shown.index("this CPU has none") < shown.index("not implemented for 'Half'")
    assert "in doubt: the s8 GEMM ran above" in shown
    assert "noisy: copy_gbps" in shown
    assert call(monkeypatch, "ceilings", "--json") == 0
    assert json.loads(capsys.readouterr().out) == found


def test_ceilings_of_an_unknown_device_are_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(monkeypatch, "ceilings", "--device", "tpu") == 2
    assert "choose one of cpu, cuda" in capsys.readouterr().err
