"""A made-up GPU, and run folders to compare, as fixtures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import fake_gpu as made_up
import pytest
from compared_runs import Run

from immabench.measure.run_folder import RunFolder


@pytest.fixture(scope="session")
def fake_gpu() -> ModuleType:
    """The module with `FakeGpu` and `FakeBench`."""
    return made_up


@pytest.fixture
def gpu(fake_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A GPU that torch, replaced, works on."""
    made = fake_gpu.FakeGpu()
    monkeypatch.setitem(sys.modules, "torch", made.torch())
    return made


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[str], Run]:
    return lambda name: Run(RunFolder.create(tmp_path / name))


@pytest.fixture
def runs(new_run: Callable[[str], Run]) -> tuple[Run, Run]:
    return new_run("a"), new_run("b")
