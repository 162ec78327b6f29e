"""Run the command line inside the test's process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

try:
    from immabench import _native as compiled
except ImportError:
    compiled = None


@dataclass
class Result:
    """What a command printed and the code it ended with."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(fake_native: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`run("list", "kernels")`: the whole `main`, on the fake native module."""
    from immabench.cli import main

    def command(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["immabench", *arguments])
        try:
            main()
            code: Any = 0
        except SystemExit as exit_:
            code = exit_.code or 0
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


@pytest.fixture
def real_native(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled module after all, for commands that compute with it on the CPU."""
    if compiled is None:
        pytest.skip("the native module is not built; pip install .")
    monkeypatch.setitem(sys.modules, "immabench._native", compiled)
