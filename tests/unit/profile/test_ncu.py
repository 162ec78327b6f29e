"""The profiler's command and its failures."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_ncu import MODES

from immabench.errors import ImmabenchError, MissingHardwareError, UsageError
from immabench.profile import ncu
from immabench.profile.metrics import load_preset
from immabench.profile.ncu import Session, command, explained, query_metrics

Fake = Callable[..., Any]


def session(folder: Path, preset: str = "roofline", warm: bool = False) -> Session:
    return Session(folder / "it", load_preset(preset), warm)


def test_the_command_selects_our_launches_and_leaves_the_gpu_as_it_is() -> None:
    one = session(Path("run/profile"))
    words = command("ncu", one, "gh100")
    assert words[:3] == ["ncu", "--config-file", "off"]
    assert words[-5:] == [
        "run/profile/it.ncu-rep",
        sys.executable,
        "-m",
        "immabench.profile.launches",
        "run/profile/it.plan.json",
    ]
    pairs = list(itertools.pairwise(words))
    for pair in (
        ("--nvtx", "--nvtx-include"),
        ("--nvtx-include", "immabench@profile/"),
        ("--target-processes", "all"),
        ("--clock-control", "none"),
        ("--cache-control", "all"),
        ("--replay-mode", "kernel"),
        ("--section", "SpeedOfLight"),
        ("--export", "run/profile/it.ncu-rep"),
    ):
        assert pair in pairs
    assert words[words.index("--metrics") + 1].split(",") == load_preset("roofline").metrics("gh100")
    assert "--import-source" not in words


def test_warm_rows_are_profiled_warm_and_sets_replace_sections() -> None:
    words = command("ncu", session(Path("p"), "full", warm=True), None)
    pairs = list(itertools.pairwise(words))
    assert ("--cache-control", "none") in pairs
    assert ("--set", "full") in pairs
    assert ("--import-source", "yes") in pairs
    assert "--section" not in words


FAILURES = {
    "permission": (MissingHardwareError, "no permission to read GPU counters", "NVreg_RestrictProfilingToAdminUsers=0"),
    "metric": (UsageError, "ncu has no metric sm__invented", "--check-metrics"),
    "library": (MissingHardwareError, "ncu cannot start (LibraryNotLoaded)", "one CUDA release"),
    "driver": (MissingHardwareError, "ncu and the driver do not fit", "one CUDA release"),
    "stub": (MissingHardwareError, "ncu finds no CUDA driver", "one CUDA release"),
    "device": (MissingHardwareError, "ncu does not support GPU 0", "--list-chips"),
    "busy": (MissingHardwareError, "another profiler has the GPU's counters", "end it"),
    "unknown": (ImmabenchError, "ncu saw no launch", ".launches.json"),
}


@pytest.mark.parametrize("mode", MODES)
def test_what_ncu_says_becomes_one_line_with_a_remedy(fake_ncu: Fake, tmp_path: Path, mode: str) -> None:
    kind, message, remedy = FAILURES[mode]
    one = session(tmp_path)
    one.report.write_text("of an earlier run")
    with pytest.raises(ImmabenchError) as caught:
        ncu.run(command(fake_ncu(mode=mode).path, one, None), one)
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert str(one.log) in caught.value.message
    assert remedy in caught.value.remedy
    assert MODES[mode] in one.log.read_text()
    assert not one.report.exists()


def test_an_end_that_nobody_knows_shows_its_last_words(tmp_path: Path) -> None:
    one = session(tmp_path)
    with pytest.raises(ImmabenchError, match=r"ncu wrote no report \(exit code 4\): what a pity") as caught:
        ncu.run([sys.executable, "-c", "print('what a pity'); raise SystemExit(4)"], one)
    assert str(one.log) in caught.value.remedy
    with pytest.raises(ImmabenchError, match="it said nothing"):
        ncu.run([sys.executable, "-c", ""], one)
    with pytest.raises(MissingHardwareError, match="cannot be run"):
        ncu.run([str(tmp_path / "absent")], one)


def test_what_does_not_end_is_ended_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, program = session(tmp_path), "import subprocess, sys; subprocess.run([sys.executable, '-c', CHILD])"
    child = f"import pathlib, time; time.sleep(1.5); pathlib.Path({str(tmp_path / 'lived')!r}).touch()"
    monkeypatch.setattr(ncu, "LAUNCH_SECONDS", 0.2)
    with pytest.raises(ImmabenchError, match=r"ncu did not end within 0.4 s for 2 launches"):
        ncu.run([sys.executable, "-c", program.replace("CHILD", repr(child))], one, launches=2)
    time.sleep(2)
    assert not (tmp_path / "lived").exists()


def test_what_went_well_is_no_failure() -> None:
    assert explained('==PROF== Profiling "k": 0%....100% - 5 passes\n==PROF== Report: x.ncu-rep', Path("log")) is None


def test_metrics_are_queried(fake_ncu: Fake) -> None:
    assert query_metrics(fake_ncu(metrics="sm__throughput  Throughput of the SM").path, "gh100") == ["sm__throughput"]
    with pytest.raises(MissingHardwareError, match="lists no metric of chip nope"):
        query_metrics(fake_ncu().path, "nope")
    with pytest.raises(MissingHardwareError, match="does not list its metrics"):
        query_metrics(Path("/absent/ncu"), None)
