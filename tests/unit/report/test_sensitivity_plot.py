"""The chart of sensitive layers: its labels, its numbers, and what it draws of weights alone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from immabench.accuracy.sensitivity_rows import Quantized, SensitivityRow
from immabench.report.sensitivity_plot import layer_labels, write_sensitivity_plot


def row(layer: str, quantized: Quantized, divergence: float, ratio: float | None) -> SensitivityRow:
    texts = ("key", "model", "recipe_digest", "weights_digest", "data_digest", "calibration", "measured_at", "machine")
    return SensitivityRow(
        **dict.fromkeys(texts, ""),
        title="Tiny",
        recipe="w8",
        data="eight images",
        watermark="made for <tests>",
        samples=8,
        layer=layer,
        quantized=quantized,
        accuracy_top1=0.5,
        reference_top1=0.75,
        difference=-0.25,
        difference_interval=(-0.6, 0.2),
        p_value=0.5,
        gained=0,
        lost=2,
        distinguishable=False,
        sqnr_db=ratio,
        kl_divergence=divergence,
        seconds=0.0,
        versions={},
    )


def test_long_names_keep_their_ends() -> None:
    assert layer_labels(["conv1", "bert.encoder.transformer.layer.0.attention.q_lin", "x" * 40]) == [
        "conv1",
        "…layer.0.attention.q_lin",
        "x" * 40,
    ]


def test_names_that_would_be_the_same_stay_whole() -> None:
    names = [f"{side}.with.a.long.path.layer.0.attention" for side in ("encoder", "decoder")]
    assert layer_labels(names) == names


def test_weights_alone_are_drawn_with_their_numbers(tmp_path: Path) -> None:
    whole = [row("", "none", 0.0, None), row("", "all", 0.5, 20.0)]
    layers = [row("a", "weights", 0.25, 30.0), row("a", "others", 0.125, 25.0)]
    same = [row("b", "weights", 0.0, None), row("b", "others", 0.5, 20.0)]
    path = write_sensitivity_plot([*whole, *layers, *same], tmp_path)
    assert path.read_bytes()[1:4] == b"PNG"
    drawn = path.with_suffix(".svg").read_text(encoding="utf-8")
    for text in ("Tiny, w8, 8 samples, simulated", "Tiny was made for &lt;tests&gt;.", "eight images", "weights"):
        assert text in drawn
    assert ">activations<" not in drawn, "nothing of them is quantized"
    with path.with_suffix(".csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["layer"], first["kl_divergence_nats"], first["kept_gain_nats"]) == ("a", "0.25", "0.375")
    assert (first["drop"], second["sqnr_db"], second["activation_sqnr_db"]) == ("0.25", "", "")


def test_a_drop_of_nothing_is_not_negative() -> None:
    assert row("a", "weights", 0.0, None).drop == 0.25
    assert str(row("a", "weights", 0.0, None).model_copy(update={"difference": 0.0}).drop) == "0.0"


@pytest.mark.parametrize("field", ["difference", "kl_divergence"])
def test_rows_have_no_gaps(field: str) -> None:
    found = row("a", "weights", 0.0, None).model_dump(exclude={field})
    with pytest.raises(ValueError, match=field):
        SensitivityRow.model_validate(found)
