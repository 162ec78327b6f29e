"""The doctor's checks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from immabench import checkup
from immabench.checkup import ASSETS_VARIABLE, CHECKS, Check, run_checks


def check(name: str) -> Check:
    return next(entry for entry in run_checks() if entry.name == name)


def test_every_check_answers(fake_native: Any) -> None:
    checks = run_checks()
    assert [entry.name for entry in checks] == list(CHECKS)
    assert {entry.status for entry in checks} <= {"ok", "missing", "broken"}
    for entry in checks:
        assert entry.detail
        assert entry.remedy or entry.status == "ok"


def test_a_missing_native_module_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "immabench._native", None)
    assert check("native module").status == "broken"
    assert "pip install" in check("native module").remedy


def test_the_gpu(fake_native: Any) -> None:
    assert check("gpu").status == "missing"
    assert check("cuda build").status == "missing"
    fake_native.devices = [{"name": "NVIDIA H200"}]
    assert check("gpu").detail == "NVIDIA H200"
    assert check("cuda build").detail == "CUDA 13.0 for sm_80, sm_90a, CUTLASS 4.2.0"
    fake_native.cutlass_version = None
    assert check("cuda build").detail.endswith("no CUTLASS")


def test_nvbench(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.measure.nvbench_timer._installed", lambda package: package == "cuda-bench")
    assert check("nvbench").status == "missing"
    assert check("nvbench").detail == "not installed: cuda-bindings"
    assert check("nvbench").remedy == "pip install 'immabench[gpu]'; without it CUDA events time a GPU"
    monkeypatch.setattr("immabench.measure.nvbench_timer._installed", lambda package: True)
    assert check("nvbench").detail.endswith("not loaded: no GPU")
    fake_native.devices = [{"name": "NVIDIA H200"}]
    monkeypatch.setitem(sys.modules, "cuda.bench", None)
    assert check("nvbench").status == "broken"
    assert check("nvbench").detail.startswith("nvbench does not load (")


def test_assets(fake_native: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(ASSETS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert check("assets").status == "missing"
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path / "nowhere"))
    assert check("assets").status == "broken"
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))
    assert check("assets").status == "missing"
    (tmp_path / "sst2").mkdir()
    for name in ("dev600.tsv", "train8000.tsv"):
        (tmp_path / "sst2" / name).touch()
    assert (check("assets").status, check("assets").detail) == ("ok", f"{tmp_path}: sst2")


def test_a_broken_plugin_shows(fake_native: Any, install_provider: Any) -> None:
    install_provider("broken", "raise ValueError('no luck')")
    assert "broken: cannot be loaded: ValueError: no luck" in check("providers").detail


def test_one_bad_check_spoils_only_itself(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Check:
        raise OSError("disk on fire")

    monkeypatch.setitem(checkup.CHECKS, "ncu", fail)
    assert check("ncu") == Check("ncu", "broken", "OSError: disk on fire", "report this as a bug")
    assert check("python").status == "ok"
