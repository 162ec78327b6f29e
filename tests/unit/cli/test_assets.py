"""`immabench assets`: contracts, and exit codes of what is not whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from immabench import assets
from immabench.assets import Asset


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A manifest of one official asset, and its file's source."""
    source = tmp_path / "source.txt"
    source.write_bytes(b"codes")
    entry = {"name": "tiny", "title": "Tiny", "kind": "text", "source": "a test", "licence": "none"}
    files = {"a.txt": f"sha256:{assets.checksum(source)}"}
    known = [Asset(**entry, files=files, urls={"a.txt": source.as_uri()})]  # type: ignore[arg-type]
    monkeypatch.setattr(assets, "known_assets", lambda: known)
    monkeypatch.setenv(assets.VARIABLE, str(tmp_path / "assets"))
    return source


def test_fetch_then_list_then_check(run: Any, tiny: Path) -> None:
    (entry,) = run("assets", "list", "--json").data["assets"]
    assert (entry["name"], entry["status"], entry["fetchable"]) == ("tiny", "missing", True)
    assert "immabench assets fetch tiny" in run("assets", "list").out
    fetched = run("assets", "fetch", "tiny", "--json")
    assert (fetched.code, fetched.data["assets"][0]["status"]) == (0, "present")
    assert "fetched a.txt" in fetched.err
    assert run("assets", "check").code == 0


def test_check_exits_1_for_what_is_not_whole(run: Any, tiny: Path) -> None:
    assert run("assets", "check").code == 0, "what is not here is not damaged"
    assert run("assets", "check", "tiny").code == 1, "but it was asked for"
    run("assets", "fetch", "tiny")
    (assets.folder() / "tiny" / "a.txt").write_bytes(b"other")
    result = run("assets", "check", "--json")
    assert (result.code, result.data["assets"][0]["status"]) == (1, "damaged")
    shutil.rmtree(assets.folder())
    assert run("assets", "list", "--json").data["assets"][0]["status"] == "missing"


def test_an_unknown_asset_selects_nothing(run: Any, tiny: Path) -> None:
    result = run("assets", "check", "tin")
    assert (result.code, "nearest: tiny" in result.err) == (5, True)
