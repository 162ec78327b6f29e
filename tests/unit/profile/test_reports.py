"""Reports as actions, and every other file refused in one line."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ncu_files import NCU, Launch, Rule, report_bytes, write_report

from immabench.errors import UsageError
from immabench.profile import reports
from immabench.profile.container import writers
from immabench.profile.reports import import_report

pytest.importorskip("ncu_report", reason="reports are read by ncu-report: pip install 'immabench[profile]'")

ROW, OTHER = "imma_1@gemm_s8_m1_n2_k3_f16@cuda", "cublaslt_int8@gemm_s8_m1_n2_k3_f16@cuda"
LAUNCHES = [
    Launch(
        {"immabench": ["profile", ROW, "imma_1"], "torch": ["aten::mm"]},
        {
            "gpu__time_duration.sum": 5000,
            "sm__cycles_elapsed.avg.per_second": 1.5e9,
            "launch__registers_per_thread": 168,
            "somebody__elses.sum": 3,
            "lts__t_sector_hit_rate.pct": float("nan"),
        },
        [Rule("SOLBottleneck", "two\n  lines", 12.5), Rule("Other", "no estimate")],
        "kernel<int>",
    ),
    Launch({"immabench": ["profile", OTHER]}, function="gemm"),
    Launch({"immabench": ["profile", OTHER]}, function="reduce"),
    Launch({"immabench": ["imma_1"]}),
    Launch({"torch": ["aten::fill_"]}),
]
WHOLE = report_bytes(LAUNCHES)


def test_a_report_becomes_actions_of_rows(tmp_path: Path) -> None:
    first, *others = import_report(write_report(tmp_path / "r.ncu-rep", LAUNCHES), "memory")
    assert (first.row_id, first.kernel_id, first.index, first.function) == (ROW, "imma_1", 0, "kernel<int>")
    assert (first.report, first.preset, first.ncu_version) == ("r.ncu-rep", "memory", f"synthetic ncu {NCU}")
    assert (first.device, first.compute_capability) == ("synthetic GPU", "9.0")
    assert (first.grid, first.block, first.duration_us) == ((4, 1, 1), (256, 1, 1), 5.0)
    assert first.metrics == {"duration": 5.0, "sm_clock": 1500.0, "registers": 168.0}  # scaled; no number, no metric
    assert first.ranges == ("profile", ROW, "imma_1")
    assert [(rule.rule, rule.message, rule.severity) for rule in first.rules] == [
        ("SOLBottleneck", "two lines", "optimization"),
        ("Other", "no estimate", "optimization"),
    ]
    assert [(rule.speedup_percent, rule.speedup_kind) for rule in first.rules] == [(12.5, "global"), (None, "")]
    found = [(one.row_id, one.kernel_id, one.index) for one in others]
    assert found == [(OTHER, "cublaslt_int8", 0), (OTHER, "cublaslt_int8", 1), ("", "imma_1", 0), ("", "", 1)]


def test_several_blocks_are_one_report(tmp_path: Path) -> None:
    head = report_bytes([])[: 4 + 4 + 2]
    path = tmp_path / "two.ncu-rep"
    path.write_bytes(WHOLE + WHOLE[len(head) :])
    assert len(import_report(path)) == 2 * len(LAUNCHES)
    assert writers(path) == [f"synthetic ncu {NCU}"]


def a_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "b")


def a_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table a (b)")


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("a text\n"), "is no report of Nsight Compute"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64)), "is no report of Nsight Compute"),
        (a_zip, "is no report of Nsight Compute"),
        (a_database, "is no report of Nsight Compute"),
        (lambda path: path.write_bytes(WHOLE[:-1]), "is damaged or cut off"),
        (lambda path: path.write_bytes(WHOLE + b"\0"), "is damaged or cut off"),
        (lambda path: path.write_bytes(b"NVR\0"), "is damaged or cut off"),
        (lambda path: path.write_bytes(report_bytes(LAUNCHES, version=1)), "no profiled launch that can be read"),
        (lambda path: path.write_bytes(report_bytes([])), "no profiled launch that can be read"),
        (lambda path: write_report(path, [Launch({"torch": ["x"]})]), "holds no launch of immabench"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_any_other_file_is_refused_in_one_line(tmp_path: Path, write: object, complaint: str) -> None:
    path = tmp_path / "r.ncu-rep"
    assert callable(write)
    write(path)
    with pytest.raises(UsageError, match=complaint) as caught:
        import_report(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def complaint_of(read: Callable[[Path], object], path: Path) -> str:
    """What is said of a file, empty where it is read; any other exception fails the test."""
    try:
        read(path)
    except UsageError as error:
        return str(error)
    return ""


def flipped(bits: list[tuple[int, int]]) -> bytes:
    data = bytearray(WHOLE)
    for place, value in bits:
        data[place % len(data)] ^= value
    return bytes(data)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bits_give_actions_or_one_line(tmp_path: Path, bits: list[tuple[int, int]]) -> None:
    path = tmp_path / "r.ncu-rep"
    path.write_bytes(flipped(bits))
    complaint = complaint_of(import_report, path)
    assert "\n" not in complaint
    assert not complaint or str(path) in complaint


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(end=st.integers(0, len(WHOLE) - 1))
def test_every_report_that_is_cut_off_is_refused(tmp_path: Path, end: int) -> None:
    path = tmp_path / "r.ncu-rep"
    path.write_bytes(WHOLE[:end])
    whole_header_alone = end == 4 + 4 + 2
    if whole_header_alone:
        assert writers(path) == []
        return
    with pytest.raises(UsageError):
        writers(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_the_container_refuses_or_reads_any_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r.ncu-rep"
    path.write_bytes(b"NVR\0" + data)
    complaint = complaint_of(writers, path)
    assert not complaint or str(path) in complaint


def test_a_reader_that_dies_or_does_not_end_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_report(tmp_path / "r.ncu-rep", LAUNCHES)
    programs = {
        "was killed by signal 6": "import os; os.abort()",
        "ValueError: why": "raise ValueError('why')",
        "exited with code 3": "raise SystemExit(3)",
        "took more than 0.2 s": "import time; time.sleep(30)",
    }
    run = reports.subprocess.run
    monkeypatch.setattr(reports, "READ_SECONDS", 0.2)
    for complaint, program in programs.items():
        monkeypatch.setattr(
            reports.subprocess,
            "run",
            lambda words, program=program, **more: run(
                [words[0], "-c", program], **{**more, "timeout": 0.2 if "sleep" in program else 60}
            ),
        )
        with pytest.raises(UsageError, match=complaint):
            import_report(path)


def test_without_the_reader_the_remedy_is_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'immabench\[profile\]'"):
        import_report(write_report(tmp_path / "r.ncu-rep", LAUNCHES))
