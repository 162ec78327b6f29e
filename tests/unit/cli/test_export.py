"""`immabench export`: what it writes and says, and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
onnx = pytest.importorskip("onnx", reason="pip install 'immabench[models]'")

from toy_models import toy  # noqa: E402

from immabench.models import trained  # noqa: E402


@pytest.fixture(autouse=True)
def _toy(one_thread: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trained, "_MODELS", (toy(),))
    monkeypatch.setattr(trained, "NEEDS_NOTHING", "toy")
    monkeypatch.chdir(tmp_path)


def test_json_says_what_was_written(run: Any) -> None:
    result = run("export", "toy", "--out", "toy.onnx", "--json")
    assert result.code == 0, result.err
    assert {key: result.data[key] for key in ("path", "engine", "opset", "ir_version", "watermark")} == {
        "path": "toy.onnx",
        "engine": "onnxruntime",
        "opset": 21,
        "ir_version": 10,
        "watermark": "made of random numbers",
    }
    assert result.data["size_bytes"] == Path("toy.onnx").stat().st_size
    made = onnx.load("toy.onnx")
    assert made.graph.name == "toy"
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_quantized_folder_is_exported_by_its_own_recipe(run: Any) -> None:
    assert run("quantize", "toy", "--recipe", "w8a8", "--out", "made").code == 0
    for name in ("made", "toy"):
        assert run("export", name, "--out", f"{name}.onnx").code == 0
    assert Path("made.onnx").read_bytes() == Path("toy.onnx").read_bytes()
    refused = run("export", "made", "--recipe", "w4", "--out", "x.onnx")
    assert (refused.code, "made is quantized already; leave out --recipe and --set" in refused.err) == (2, True)


def test_floats_and_notes_are_printed(run: Any) -> None:
    result = run("export", "--recipe", "w8a8", "--set", "activations.residuals=false", "--out", "toy.onnx")
    assert result.code == 0, result.err
    assert "in floats: conv1: its sums go on as floats, or its result does" in result.out
    assert "note: this model was made of random numbers" in result.out
    assert result.out.strip().splitlines()[-1] == "toy.onnx"
    assert "for onnxruntime, opset 21, IR version 10" in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("toi", "--out", "x.onnx"), 5, "no trained model matches 'toi'; nearest: toy"),
        (("--recipe", "w8a9", "--out", "x.onnx"), 5, "no recipe of resnet18 matches 'w8a9'; nearest: w8a8"),
        (("--engine", "tensort", "--out", "x.onnx"), 5, "no engine matches 'tensort'; nearest: tensorrt"),
        (("--format", "onx", "--out", "x.onnx"), 5, "no format matches 'onx'; nearest: onnx"),
        (
            ("--engine", "tensorrt", "--out", "x.onnx"),
            2,
            "recipe w8a8 is not for tensorrt: conv1 has zero points; choose",
        ),
        (("--opset", "17", "--out", "x.onnx"), 2, "opset 17 is not exported; choose 18 to 23"),
        (
            ("--recipe", "w4", "--set", "weights.group=32", "--opset", "20", "--out", "x.onnx"),
            2,
            "choose --opset 21 or later",
        ),
        (
            ("--out", "nowhere/x.onnx"),
            2,
            "nowhere/x.onnx cannot be written (there is no folder nowhere); choose another",
        ),
        (("--out", "."), 2, ". cannot be written (it is a folder); choose another --out"),
    ],
)
def test_bad_input_is_one_line(run: Any, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run("export", *arguments)
    assert result.code == code
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1, result.err
    assert list(Path().iterdir()) == []


def test_without_onnx_it_says_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for loaded in [name for name in sys.modules if name.split(".")[0] == "onnx" or name.startswith("immabench.export")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = run("export", "--out", "x.onnx")
    assert (result.code, result.err) == (2, "immabench: onnx is not installed; pip install 'immabench[models]'\n")
