"""`immabench doctor`."""

from __future__ import annotations

import sys
from typing import Any

import pytest


def test_json_contract(run: Any) -> None:
    checks = run("doctor", "--json").data["checks"]
    assert all(set(check) == {"name", "status", "detail", "remedy"} for check in checks)


def test_something_broken_exits_1_and_shows_the_remedy(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("doctor").code == 0
    monkeypatch.setitem(sys.modules, "immabench._native", None)
    result = run("doctor")
    assert result.code == 1
    assert "pip install ." in result.out
