"""`immabench difference`: what it prints, and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from toy_models import toy

from immabench.models import trained


@pytest.fixture(autouse=True)
def _toy(real_native: None, one_thread: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A quick trained model in the place of all others."""
    monkeypatch.setattr(trained, "_MODELS", (toy(),))
    monkeypatch.setattr(trained, "NEEDS_NOTHING", "toy")
    monkeypatch.chdir(tmp_path)


def test_every_engine_has_a_column_and_a_line(run: Any) -> None:
    result = run("difference", "toy", "--engine", "simulated", "--engine", "emulated")
    assert result.code == 0, result.err
    assert "emulated: the same everywhere" in result.out
    assert "simulated: " in result.out
    assert "input of conv1" in result.out


def test_layers_that_compute_otherwise_are_named_behind_the_first(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench.models.integer.difference import Comparison, Differences, Finding, Gap

    gaps = (Gap("conv1", True, 3, 9, 1, 3), Gap("conv2", True, 4, 9, 2, 0), Gap("head", False, 5, 9, 2, 1))
    planted = Comparison(gaps, Finding(gaps[0], (("fp32 sums",),), 1.0))
    monkeypatch.setattr(Differences, "simulated", lambda _: planted)
    out = run("difference", "toy", "--engine", "simulated").out
    assert "simulated: given the codes that they read, these differ too: what head reads (1 code)" in out
    assert "4 of 9, by 2, 0 its own" in out


def test_json_has_every_gap(run: Any) -> None:
    result = run("difference", "--json")
    assert result.code == 0, result.err
    assert set(result.data["engines"]) == {"simulated", "immabench", "onnxruntime"}
    exact = result.data["engines"]["immabench"]
    assert exact["first"] is None
    assert {gap["differing"] for gap in exact["gaps"]} == {0}


def test_a_quantized_folder_is_compared_by_its_own_recipe(run: Any) -> None:
    assert run("quantize", "toy", "--recipe", "w8a8", "--out", "made").code == 0
    given = ("--engine", "simulated", "--json")
    assert run("difference", "made", *given).data == run("difference", "toy", *given).data


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--engine", "onnx"), 5, "no engine matches 'onnx'; nearest: onnxruntime"),
        (("--recipe", "w8a8-dynamic"), 2, "has no static scales, so no codes that could be compared; choose one with"),
        (("--recipe", "w8"), 2, "has no static scales"),
        (("--recipe", "nine"), 5, "nine"),
    ],
)
def test_bad_input_is_one_line(run: Any, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run("difference", "toy", *arguments)
    assert (result.code, message in result.err) == (code, True), result.err
    assert result.err.strip().count("\n") == 0
