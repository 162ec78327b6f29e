"""A browser, and runs with their reports to open in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
import synthetic

from immabench.measure.run_folder import RunFolder
from immabench.report import build_report

HERE = Path(__file__).parent


def made_up(run: Path) -> None:
    synthetic.write_run(run)


def recorded(run: Path) -> None:
    shutil.copytree(HERE / "recorded" / "cpu-quick", run)


def swept_here(run: Path) -> None:
    pytest.importorskip("torch", reason="the torch provider needs torch")
    shapes = [word for shape in ("64x64x64", "33x65x128") for word in ("--shape", shape)]
    devices = ["--device", "cpu", "--device", "emulated"]
    limits = ["--no-ceilings", "--time-budget", "0.02", "--out", str(run)]
    subprocess.run(
        [sys.executable, "-m", "immabench", "sweep", *shapes, *devices, *limits], check=True, capture_output=True
    )


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium.started(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(scope="session", params=[made_up, recorded, swept_here], ids=lambda make: make.__name__)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run folder with its report."""
    path = tmp_path_factory.mktemp("report") / "run"
    request.param(path)
    build_report(path)
    return RunFolder.open(path)


@pytest.fixture
def opened(browser: Any, run: RunFolder) -> Iterator[Callable[..., Any]]:
    """Opens the report; what a page logs, or asks a network for, fails the test."""
    tabs: list[Any] = []

    def open_page(**options: Any) -> Any:
        tabs.append(browser.open(run.path / "report.html", **options))
        return tabs[-1]

    yield open_page
    for tab in tabs:
        assert tab.console == []
        assert [url for url in tab.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        tab.close()
