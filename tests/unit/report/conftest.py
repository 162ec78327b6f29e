"""The made-up runs as fixtures: test modules cannot import each other under pytest's importlib mode."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from immabench.measure.run_folder import RunFolder
from immabench.report.document import Document, gather


def _load(name: str) -> ModuleType:
    place = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"immabench_tests_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that makes synthetic rows and runs."""
    return _load("synthetic")


@pytest.fixture(scope="session")
def synthetic_gpu() -> ModuleType:
    """The module that makes rows, ceilings and profiled traffic of a synthetic GPU."""
    return _load("synthetic_gpu")


@pytest.fixture(scope="session")
def text_boxes() -> ModuleType:
    """The module that finds where the texts of a plot stand."""
    return _load("text_boxes")


@pytest.fixture(scope="session")
def gpu_document(synthetic_gpu: ModuleType) -> Document:
    """What the report of the synthetic GPU's run shows, some of its rows profiled."""
    rows = synthetic_gpu.rows()
    return gather(rows, synthetic_gpu.meta(), actions=synthetic_gpu.actions(rows))


@pytest.fixture(scope="session")
def colour_vision() -> ModuleType:
    """The module that says what colours look like to different eyes."""
    return _load("colour_vision")


@pytest.fixture
def run(tmp_path: Path, synthetic: ModuleType) -> RunFolder:
    """A synthetic run folder with timed, emulated, failed and skipped rows."""
    folder: RunFolder = synthetic.write_run(tmp_path / "run")
    return folder
