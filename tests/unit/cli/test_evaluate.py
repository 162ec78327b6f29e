"""`immabench evaluate`, `quantize` and `card`: contracts, what they write, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from toy_models import toy

from immabench.accuracy import card as cards
from immabench.accuracy.card import Entry, Section
from immabench.models import trained

SECTIONS = (
    Section("Floats", (Entry("fp32", "fp32"), Entry("bf16", "bf16"))),
    Section("Codes", (Entry("static", "w8a8", ("calibration.samples=12",)),)),
)


@pytest.fixture(autouse=True)
def _toy(one_thread: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A trained model that is quick, in the place of all others and of the one that needs nothing."""
    monkeypatch.setattr(trained, "_MODELS", (toy(),))
    monkeypatch.setattr(trained, "NEEDS_NOTHING", "toy")
    monkeypatch.chdir(tmp_path)


def test_json_has_the_contracts_keys(run: Any) -> None:
    result = run("evaluate", "toy", "--recipe", "fp32", "--recipe", "w8a8", "--out", "out", "--json")
    assert result.code == 0, result.err
    fp32, w8a8 = result.data["rows"]
    assert {
        "model",
        "runtime",
        "precision",
        "recipe",
        "accuracy_top1",
        "accuracy_interval",
        "reference_top1",
        "samples",
        "latency_ms_p50",
        "throughput",
        "size_bytes",
    } <= set(w8a8)
    assert (w8a8["model"], w8a8["runtime"], w8a8["precision"]) == ("toy", "simulated", "W8A8")
    assert (w8a8["latency_ms_p50"], w8a8["throughput"]) == (None, None), "a simulation has no speed"
    assert fp32["accuracy_top1"] == fp32["reference_top1"] == w8a8["reference_top1"]
    lines = Path("out", "accuracy.jsonl").read_text().splitlines()
    assert [json.loads(line)["recipe"] for line in lines] == ["fp32", "w8a8"]


def test_a_table_with_fallbacks_and_the_watermark(run: Any) -> None:
    result = run("evaluate", "--recipe", "w4", "--limit", "12")
    assert result.code == 0, result.err
    assert "Toy on seen, 12 balanced by class, seed 0, 12 samples, simulated" in result.out
    assert "w4: conv1: groups of 64 do not divide K=27; 8 bits by channel" in result.out
    assert "note: Toy was made of random numbers" in result.out
    assert len(list(Path("runs").glob("*-evaluate-toy/accuracy.jsonl"))) == 1


def test_work_goes_on_where_it_is_asked_to(run: Any) -> None:
    assert run("evaluate", "--recipe", "fp32", "--out", "out").code == 0
    again = run("evaluate", "--recipe", "bf16", "--out", "out")
    assert (again.code, again.err.strip()) == (
        2,
        "immabench: out/accuracy.jsonl exists; continue it with --resume, or choose another --out",
    )
    assert run("evaluate", "--recipe", "fp32", "--recipe", "bf16", "--out", "out", "--resume").code == 0
    assert len(Path("out", "accuracy.jsonl").read_text().splitlines()) == 2
    assert run("evaluate", "--resume").err.strip() == "immabench: --resume continues a folder; name it with --out"


def test_a_quantized_folder_is_a_model(run: Any) -> None:
    made = run("quantize", "toy", "--recipe", "w8a8", "--out", "w8a8", "--json")
    assert made.code == 0, made.err
    assert [layer["operator"] for layer in made.data["layers"]] == ["conv2d_s8", "conv2d_s8", "avg_pool2d", "gemm_s8"]
    assert made.data["watermark"] == "made of random numbers"
    stored = run("evaluate", "w8a8", "--json").data["rows"][0]
    direct = run("evaluate", "toy", "--recipe", "w8a8", "--json").data["rows"][0]
    same = set(direct) - {"key", "seconds", "measured_at"}
    assert {key: stored[key] for key in same} == {key: direct[key] for key in same}
    refused = run("evaluate", "w8a8", "--recipe", "w4")
    assert refused.code == 2
    assert "w8a8 is quantized already; leave out --recipe and --set" in refused.err


def test_a_quantized_models_table_says_why(run: Any) -> None:
    out = run("quantize", "toy", "--recipe", "w4", "--out", "w4").out
    assert "groups of 64 do not divide K=27" in out
    assert "100.0 % of layers' work has integer weights" in out
    assert out.strip().splitlines()[-1] == "w4"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("evaluate", "toi"), 5, "no trained model matches 'toi'; nearest: toy"),
        (("evaluate", "toy", "--recipe", "w8a9"), 5, "no recipe of resnet18 matches 'w8a9'; nearest: w8a8"),
        (("evaluate", "toy", "--recipe", "no.toml"), 2, "no recipe at no.toml"),
        (("evaluate", "--recipe", "w8a8", "--set", "weights.bits=9"), 2, "weights.bits: Input should be less than"),
        (("evaluate", "--recipe", "w8a8", "--set", "calibration.samples=999"), 2, "other has 300 samples, not 999"),
        (("evaluate", "--limit", "61"), 2, "seen has 60 samples, not 61"),
        (("evaluate", "--weights", "x.pth"), 2, "toy takes no local weights or data"),
        (("quantize", "--recipe", "bf16"), 2, "recipe bf16 quantizes nothing; choose one with [weights]"),
    ],
)
def test_bad_input_is_one_line(run: Any, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.code == code
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1, result.err


@pytest.mark.parametrize(
    "arguments", [("evaluate", "--recipe", "w8a9"), ("evaluate", "--limit", "61"), ("card", "--limit", "61")]
)
def test_bad_input_leaves_nothing_behind(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code in (2, 5)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", ["quantize", "card"])
def test_a_quantized_folder_is_not_quantized_again(run: Any, command: str) -> None:
    assert run("quantize", "--out", "made").code == 0
    result = run(command, "made", "--out", "again")
    assert (result.code, result.err.strip()) == (
        2,
        "immabench: made is quantized already; name the model that it was made of",
    )
    assert not Path("again").exists()


def test_a_card_of_other_data_says_so(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "SECTIONS", SECTIONS)
    monkeypatch.setattr(trained, "with_local", lambda model, *_: model)
    assert run("card", "toy", "--limit", "12", "--data", "my images", "--out", "c").code == 0
    assert "Made by `immabench card toy --limit 12 --data 'my images'`;" in Path("c", "CARD.md").read_text()


def test_unknown_layers_are_one_line(run: Any) -> None:
    Path("mine.toml").write_text('[weights]\nbits = 8\n[layers."conv7"]\nfloats = true\n')
    result = run("quantize", "--recipe", "mine.toml")
    assert (result.code, result.err.strip()) == (5, "immabench: no layer matches 'conv7'; nearest: conv2, conv1")


def test_a_card_is_one_command(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "SECTIONS", SECTIONS)
    result = run("card", "toy", "--out", "cards")
    assert result.code == 0, result.err
    page = Path("cards", "CARD.md").read_text()
    assert result.out.strip() == "cards/CARD.md"
    assert page.startswith("# Toy\n\n> made of random numbers\n\nMade by `immabench card toy`")
    assert "| static | w8a8 `calibration.samples=12` |" in page
    assert "[3/3] w8a8 calibration.samples=12" in result.err
    assert run("card", "toy", "--out", "cards").code == 2
    assert run("card", "toy", "--out", "cards", "--resume").code == 0
    assert Path("cards", "CARD.md").read_text() == page
