"""Where the code comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from immabench.provenance import git_state

IDENTITY = ["-c", "user.name=n", "-c", "user.email=e@x"]


def test_outside_a_repository_and_before_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "code"
    folder.mkdir()
    assert git_state(folder) is None
    subprocess.run(["git", "init", "-q", folder], check=True)
    assert git_state(folder) is None


def test_a_changed_file_makes_it_dirty(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    for arguments in (["init", "-q"], ["add", "file"], [*IDENTITY, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    state = git_state(tmp_path)
    assert state is not None
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "file").write_text("two")
    assert (git_state(tmp_path) or {})["dirty"] is True


def test_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(Path(__file__).parent) is None
