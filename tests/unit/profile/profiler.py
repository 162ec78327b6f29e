"""A machine with a GPU and an ncu, as a fixture: the one in the driver's answer, the other a program on the PATH."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
GPUS = [{"name": "synthetic GPU", "compute_capability": [9, 0]}]


class FakeNcu:
    """Where the program is, and what it was asked last."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.path, self._argv = folder / "ncu", folder / "argv.json"
        own = {"mode": "ok", "version": "2026.2.0.0", "chips": "ga100, ga102, gh100", "metrics": "", "listener": ""}
        own |= {"argv": str(self._argv), **settings}
        program = f"import sys; sys.path.insert(0, {str(HERE)!r}); from fake_ncu import main"
        self.path.write_text(f"#!{sys.executable}\n{program}\nsys.exit(main({own!r}, sys.argv[1:]))\n")
        self.path.chmod(0o755)

    @property
    def words(self) -> list[str]:
        """Of the last call that profiles."""
        words: list[str] = json.loads(self._argv.read_text())
        return words


@pytest.fixture
def fake_ncu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeNcu]:
    """Puts a fake ncu with the given settings first on the PATH, and a GPU into the driver's answer."""

    def make(**settings: str) -> FakeNcu:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("PATH", str(folder))
        state: dict[str, Any] = {"status": 0, "error": "", "devices": GPUS}
        monkeypatch.setattr("immabench.profile.preflight.cuda_state", lambda: state)
        monkeypatch.setattr("immabench.profile.preflight._of_counters", lambda: iter(()))
        return FakeNcu(folder, **settings)

    return make
