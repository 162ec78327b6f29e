"""`immabench suites`: data on standard output, files only where asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import immabench.models.traced_suite
import immabench.suites
from immabench.cli.suites import register
from immabench.errors import NothingSelectedError, UsageError
from immabench.suites import load_suite


def invoke(*arguments: str) -> str:
    """Standard output of `immabench suites ARGUMENTS`; errors meant for the user are raised."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["suites", *arguments], catch_exceptions=False).stdout


@pytest.fixture
def canned_trace(monkeypatch: pytest.MonkeyPatch) -> str:
    """A trace that needs no torch."""
    text = "# a suite\n"
    monkeypatch.setattr(immabench.models.traced_suite, "suite_text", lambda model: text)
    return text


def test_show_json_holds_every_case() -> None:
    shown = json.loads(invoke("show", "resnet18", "--json"))
    cases = load_suite("resnet18").expand()
    assert [case["key"] for case in shown["cases"]] == [case.problem.key for case in cases]
    assert shown["macs"] == sum(case.problem.macs * case.calls for case in cases)
    assert {"name", "description", "source", "path"} < shown.keys()
    assert all(case["calls"] == sum(use["calls"] for use in case["uses"]) for case in shown["cases"])


def test_show_is_a_table_with_the_brackets_of_its_names() -> None:
    text = invoke("show", "distilbert")
    assert "{0-5}" in text
    assert "problems" in text


def test_show_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(load_suite("quick").path.read_bytes())
    assert json.loads(invoke("show", str(path), "--json"))["path"] == str(path)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(NothingSelectedError, match="square"):
        invoke("show", "sqare")
    with pytest.raises(NothingSelectedError, match="distilbert"):
        invoke("trace", "distillbert")


def test_trace_prints_the_suite(canned_trace: str) -> None:
    assert invoke("trace", "resnet18") == canned_trace
    assert json.loads(invoke("trace", "resnet18", "--json")) == {"suite": "resnet18", "toml": canned_trace}


def test_trace_writes_only_into_a_source_tree(
    canned_trace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(immabench.suites, "SOURCE_FOLDER", tmp_path)
    path = tmp_path / "resnet18.toml"
    assert json.loads(invoke("trace", "resnet18", "--write", "--json")) == {
        "suite": "resnet18",
        "path": str(path),
    }
    assert path.read_text(encoding="utf-8") == canned_trace
    monkeypatch.setattr(immabench.suites, "SOURCE_FOLDER", tmp_path / "absent")
    with pytest.raises(UsageError, match="needs a source tree; immabench suites trace resnet18 > resnet18"):
        invoke("trace", "resnet18", "--write")


def test_a_file_that_cannot_be_written_is_one_line(
    canned_trace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(immabench.suites, "SOURCE_FOLDER", tmp_path)
    (tmp_path / "resnet18.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        invoke("trace", "resnet18", "--write")


@pytest.mark.parametrize("command", ["show", "trace"])
def test_help_holds_an_example(command: str) -> None:
    assert f"Example: immabench suites {command}" in " ".join(invoke(command, "--help").split())
