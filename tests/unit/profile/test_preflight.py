"""What profiling needs, each thing taken away in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immabench.errors import MissingHardwareError, UsageError
from immabench.profile import preflight as module
from immabench.profile.preflight import chip_of, find_ncu, parse_version, preflight

Fake = Callable[..., Any]


def reasons() -> list[str]:
    return [obstacle.reason for obstacle in preflight().obstacles]


def test_nothing_stands_in_the_way_of_a_machine_that_has_all(fake_ncu: Fake) -> None:
    ncu = fake_ncu()
    found = preflight()
    assert (found.obstacles, found.fatal, found.said) == ((), None, "")
    assert found.require().path == ncu.path
    assert found.require().version == (2026, 2, 0, 0)


def test_no_ncu(fake_ncu: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ncu()
    monkeypatch.setattr(module, "find_ncu", lambda given: None)
    found = preflight()
    assert found.said.startswith("not profiling: Nsight Compute's ncu is not on PATH")
    with pytest.raises(MissingHardwareError) as caught:
        found.require()
    assert caught.value.exit_code == 77
    assert "install NVIDIA Nsight Compute" in caught.value.remedy


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"version": "2021.1.0.0"}, "is older than 2022.3"),
        ({"version": "none"}, "does not say its version"),
        ({"chips": "ga100, ga102, tu102"}, "does not know this GPU (gh100)"),
    ],
)
def test_an_ncu_that_will_not_do(fake_ncu: Fake, settings: dict[str, str], reason: str) -> None:
    fake_ncu(**settings)
    assert [reason in found for found in reasons()] == [True]


def test_chips_of_one_family_do(fake_ncu: Fake) -> None:
    fake_ncu(chips="gh105")
    assert reasons() == []


def test_no_gpu(fake_ncu: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ncu()
    monkeypatch.setattr(module, "cuda_state", lambda: {"status": 35, "error": "no driver", "devices": []})
    assert reasons() == ["no CUDA device (no driver)"]


@pytest.mark.parametrize(
    ("parameters", "capabilities", "refused"),
    [
        ("RmProfilingAdminOnly: 1\n", "0000000000000000", True),
        ("RmProfilingAdminOnly: 1\n", "0000000000200000", False),  # CAP_SYS_ADMIN
        ("Other: 0\nRmProfilingAdminOnly: 0\n", "0000000000000000", False),
        ("", "0000000000000000", False),
    ],
)
def test_counters_kept_for_administrators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: str, capabilities: str, refused: bool
) -> None:
    (tmp_path / "params").write_text(parameters)
    (tmp_path / "status").write_text(f"Name: x\nCapEff:\t{capabilities}\n")
    is_administrator = module._is_administrator(tmp_path / "status")
    monkeypatch.setattr(module, "_is_administrator", lambda: is_administrator)
    found = list(module._of_counters(tmp_path / "params"))
    assert bool(found) == refused
    assert all("ERR_NVGPUCTRPERM" in obstacle.remedy for obstacle in found)
    assert list(module._of_counters(tmp_path / "absent")) == []


def test_a_reader_that_is_missing_or_older(fake_ncu: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ncu(version="2030.1.0.0")
    monkeypatch.setattr(module, "reader_version", lambda: "2026.3.1")
    found = preflight()
    assert found.fatal is None
    assert "ncu 2030.1 may write what ncu-report 2026.3.1 cannot read" in found.said
    monkeypatch.setattr(module, "reader_version", lambda: None)
    assert "is not installed" in str(preflight().fatal)


def test_where_ncu_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / "bin"
    home.mkdir(parents=True)
    (home / "ncu").write_text("#!/bin/sh\n")
    assert find_ncu(None, {"PATH": "", "CUDA_HOME": str(home.parent)}) != home / "ncu"  # it cannot be run
    (home / "ncu").chmod(0o755)
    assert find_ncu(None, {"PATH": "", "CUDA_HOME": str(home.parent)}) == home / "ncu"
    assert find_ncu(None, {"PATH": str(home)}) == home / "ncu"
    assert find_ncu(home / "ncu", {"PATH": ""}) == home / "ncu"
    with pytest.raises(UsageError, match="is no program"):
        find_ncu(tmp_path / "absent", {"PATH": str(home)})


def test_versions_and_chips() -> None:
    assert parse_version("NVIDIA ...\nVersion 2025.1.1.0 (build 35528883) (public-release)\n") == (2025, 1, 1, 0)
    assert parse_version("nothing of the kind") == ()
    assert chip_of([{"compute_capability": [8, 9]}]) == "ad102"
    assert chip_of([{"compute_capability": [7, 0]}]) is None
    assert chip_of([]) is None
