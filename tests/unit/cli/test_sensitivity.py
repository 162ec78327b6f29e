"""`immabench sensitivity`: contracts, what it writes, and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from planted import BAD, LAYERS, RECIPE, WATERMARK, planted

from immabench.models import trained
from immabench.quantize.recipe_files import read_recipe, recipe_text


@pytest.fixture
def recipe(one_thread: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A trained model, `planted`, and the path of the recipe that ruins one of its layers."""
    monkeypatch.setattr(trained, "_MODELS", (planted(),))
    path = tmp_path / "tensor.toml"
    path.write_text(recipe_text(RECIPE), encoding="utf-8")
    return str(path)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No chart: it takes a second and more."""
    monkeypatch.setattr("immabench.report.sensitivity_plot.write_sensitivity_plot", lambda rows, folder: folder)


def test_json_a_chart_and_a_recipe(run: Any, recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(
        "sensitivity", "planted", "--recipe", recipe, "--samples", "32", "--keep", "1", "--out", str(out), "--json"
    )
    assert result.code == 0, result.err
    data = result.data
    assert (data["model"], data["recipe"], data["samples"]) == ("planted", RECIPE.name, 32)
    assert data["watermark"] == WATERMARK
    assert sorted(layer["name"] for layer in data["layers"]) == sorted(LAYERS)
    worst = data["layers"][0]
    assert (worst["name"], worst["place"], data["kept"]) == (BAD, 1, [BAD])
    assert worst["weight_drop"] > 0.2 > worst["activation_drop"]
    assert worst["kept_gain"] == data["all"]["kl_divergence"] - worst["kept_kl_divergence"]
    assert data["none"]["sqnr_db"] is None
    assert read_recipe(Path(data["kept_recipe"])).layers[BAD].floats
    assert (out / "sensitivity.png").read_bytes()[1:4] == b"PNG"
    assert {"sensitivity.jsonl", "sensitivity.svg", "sensitivity.csv"} <= {path.name for path in out.iterdir()}
    assert f"Planted was {WATERMARK}" in (out / "sensitivity.svg").read_text(encoding="utf-8")


def test_a_table_says_what_to_do_and_a_run_goes_on(run: Any, recipe: str, undrawn: None, tmp_path: Path) -> None:
    command = [
        "sensitivity",
        "planted",
        "--recipe",
        recipe,
        "--samples",
        "16",
        "--layer",
        "b*",
        "--out",
        str(tmp_path / "out"),
    ]
    first = run(*command)
    assert first.code == 0, first.err
    assert "[layers.bad]\nfloats = true\n" in first.out
    assert f"note: Planted was {WATERMARK}" in first.out
    assert "To leave the worst 1 in floats" in first.out, "of one layer no more can be kept"
    again = run(*command)
    assert (again.code, "--resume" in again.err) == (2, True)
    path = tmp_path / "out" / "sensitivity.jsonl"
    written = path.read_bytes()
    path.write_bytes(written[:-50])
    assert run(*command, "--resume").out == first.out
    assert len(path.read_bytes().splitlines()) == len(written.splitlines()) == 6


def test_evaluation_data_only_when_asked_for(run: Any, recipe: str, undrawn: None, tmp_path: Path) -> None:
    command = ["sensitivity", "planted", "--recipe", recipe, "--samples", "16", "--layer", BAD, "--json"]
    held_out = run(*command, "--out", str(tmp_path / "one")).data["data"]
    assert held_out.startswith("old, 16 after the 16 for calibration")
    asked = run(*command, "--on", "evaluation", "--out", str(tmp_path / "two")).data["data"]
    assert asked == "new, 16 balanced by class, seed 0"


def test_layers_in_floats_are_named(run: Any, recipe: str, undrawn: None, tmp_path: Path) -> None:
    command = [
        "sensitivity",
        "planted",
        "--recipe",
        recipe,
        "--samples",
        "16",
        "--layer",
        BAD,
        "--out",
        str(tmp_path / "out"),
    ]
    assert "in floats by the recipe: first\n" in run(*command, "--set", "layers.first.floats=true").out


def test_what_selects_nothing_exits_5_with_the_nearest(run: Any, recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    layer = run("sensitivity", "planted", "--recipe", recipe, "--samples", "8", "--layer", "bat", "--out", str(out))
    assert (layer.code, "no layer matches 'bat'; nearest: bad" in layer.err) == (5, True)
    floats = run("sensitivity", "planted", "--recipe", "fp32", "--set", "calibration.samples=16", "--samples", "8")
    assert (floats.code, "quantizes no layer" in floats.err, len(floats.err.splitlines())) == (5, True, 1)
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "9999"], "ask for --samples 48"),
        (["--resume"], "name it with --out"),
        (["--weights", "x.pth"], "takes no local weights"),
    ],
)
def test_bad_requests_in_one_line(run: Any, recipe: str, options: list[str], message: str) -> None:
    result = run("sensitivity", "planted", "--recipe", recipe, *options)
    assert (result.code, message in result.err, len(result.err.splitlines())) == (2, True, 1)


def test_an_interrupted_study_says_how_to_go_on(
    run: Any, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from immabench.accuracy.sensitivity import Sensitivity

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sensitivity, "measure", interrupted)
    out = str(tmp_path / "out")
    result = run("sensitivity", "planted", "--recipe", recipe, "--samples", "8", "--out", out)
    assert (result.code, f"--out {out} --resume" in result.err) == (130, True)
