"""The made-up runs, and what looks at pictures of them, as fixtures."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from immabench.measure.run_folder import RunFolder
from immabench.report.document import Document, gather


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that makes synthetic rows and runs."""
    return importlib.import_module("synthetic")


@pytest.fixture(scope="session")
def synthetic_gpu() -> ModuleType:
    """The module that makes rows, ceilings and profiled traffic of a synthetic GPU."""
    return importlib.import_module("synthetic_gpu")


@pytest.fixture(scope="session")
def text_boxes() -> ModuleType:
    """The module that finds where the texts of a plot stand."""
    return importlib.import_module("text_boxes")


@pytest.fixture(scope="session")
def gpu_document(synthetic_gpu: ModuleType) -> Document:
    """What the report of the synthetic GPU's run shows, some of its rows profiled."""
    rows = synthetic_gpu.rows()
    return gather(rows, synthetic_gpu.meta(), actions=synthetic_gpu.actions(rows))


@pytest.fixture(scope="session")
def colour_vision() -> ModuleType:
    """The module that says what colours look like to different eyes."""
    return importlib.import_module("colour_vision")


@pytest.fixture
def run(tmp_path: Path, synthetic: ModuleType) -> RunFolder:
    """A synthetic run folder with timed, emulated, failed and skipped rows."""
    folder: RunFolder = synthetic.write_run(tmp_path / "run")
    return folder
