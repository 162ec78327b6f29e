"""A made-up GPU as a fixture: test modules cannot import each other under pytest's importlib mode."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("immabench_tests_fake_gpu", Path(__file__).parent / "fake_gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake_gpu() -> ModuleType:
    """The module with `FakeGpu` and `FakeBench`."""
    return _load()


@pytest.fixture
def gpu(fake_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A GPU that torch, replaced, works on."""
    made = fake_gpu.FakeGpu()
    monkeypatch.setitem(sys.modules, "torch", made.torch())
    return made
