"""What commands print."""

from __future__ import annotations

import json

import pytest

from immabench.cli.output import print_json, print_table


def test_json_is_all_there_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1, None]})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": [1, None]}
    assert captured.err == ""


def test_tables_cut_no_id_and_read_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    name = "x" * 90
    print_table("", ("id", "note", "count"), [(name, "[bold]plain[/bold]", 7)], numeric=("count",))
    out = capsys.readouterr().out
    assert name in out
    assert "[bold]plain[/bold]" in out
    assert "\x1b" not in out
