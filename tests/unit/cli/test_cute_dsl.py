"""`immabench cute-dsl`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immabench import cute_dsl_tiles
from immabench.cute_dsl import compiler, objects

TILES = cute_dsl_tiles.TILES


@pytest.fixture(autouse=True)
def compilable(fake_native: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cute_dsl_tiles, "TILES", TILES)
    monkeypatch.setenv(objects.VARIABLE, str(tmp_path / "default"))
    monkeypatch.setattr(objects, "installed_version", lambda: objects.VERSION)
    monkeypatch.setattr(compiler, "compile_cubin", lambda one: b"code")


def test_each_kernel_is_compiled_once(run: Any, tmp_path: Path) -> None:
    arguments = ("cute-dsl", "compile", "--match", "*64x128*", "--out", str(tmp_path / "out"), "--json")
    first, second = run(*arguments).data, run(*arguments).data
    assert {entry["state"] for entry in first["kernels"]} == {"compiled"}
    assert {entry["state"] for entry in second["kernels"]} == {"kept"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {entry["file"] for entry in first["kernels"]}
    assert [entry["bytes"] for entry in first["kernels"]] == [4] * 4


def test_sweeps_find_them_where_they_are_kept_unless_told(run: Any, tmp_path: Path) -> None:
    assert "20 kernels in" in run("cute-dsl", "compile").out
    assert len(list((tmp_path / "default").iterdir())) == 20


def test_a_glob_that_matches_nothing_is_an_error(run: Any) -> None:
    result = run("cute-dsl", "compile", "--match", "nothing")
    assert result.code == 5


def test_without_the_package_one_line_says_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "installed_version", lambda: None)
    result = run("cute-dsl", "compile")
    assert result.code == 1
    assert "pip install nvidia-cutlass-dsl==4.8.1" in result.err
    assert len(result.err.splitlines()) == 1
