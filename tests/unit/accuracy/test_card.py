"""Cards: every line from a row, and the committed ones from their rows again, within their floors."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.accuracy.card import SECTIONS, Entry, card_recipes, render_card, verdict
from immabench.accuracy.evaluations import FILE, read_rows
from immabench.accuracy.rows import AccuracyRow
from immabench.e2e.card_lines import FILE as E2E_FILE
from immabench.e2e.card_lines import card_lines
from immabench.models.trained import trained_model, trained_models
from immabench.quantize.recipe_files import BUILT_IN, load_recipe, recipe_names

MODELS = Path(__file__).parents[3] / "models"
CARDS = sorted(path.parent.name for path in MODELS.glob("*/CARD.md"))
FAMILIES = sorted({model.recipes for model in trained_models()})

FLOORS = {"resnet18": 0.005, "resnet20": 0.002, "distilbert": 0.004}
"""What W8A8 after training may lose, as fractions."""


def row(recipe_digest: str, **changes: object) -> AccuracyRow:
    values: dict[str, object] = {
        "key": recipe_digest,
        "model": "toy",
        "title": "Toy",
        "watermark": "",
        "precision": "W8A8",
        "recipe": "r",
        "recipe_digest": recipe_digest,
        "weights_digest": "a" * 64,
        "data": "toys",
        "data_digest": "b" * 64,
        "calibration": "other toys",
        "samples": 200,
        "accuracy_top1": 0.5,
        "accuracy_interval": (0.431, 0.569),
        "accuracy_top5": None,
        "reference_top1": 0.55,
        "difference": -0.05,
        "difference_interval": (-0.09, -0.01),
        "p_value": 0.01,
        "gained": 2,
        "lost": 12,
        "distinguishable": True,
        "sqnr_db": 21.26,
        "kl_divergence": 0.1,
        "size_bytes": 3 << 20,
        "quantized_macs": 1.0,
        "fallbacks": [],
        "seconds": 1.0,
        "measured_at": "2026-11-22T08:00:00Z",
        "machine": "a machine",
        "versions": {"torch": "2.13.0"},
    }
    return AccuracyRow.model_validate({**values, **changes})


def rendered(**changes: object) -> str:
    """A card whose lines are all one row."""
    digests = {recipe.digest for recipe in card_recipes("resnet18").values()}
    return render_card("resnet18", [row(digest, **changes) for digest in digests], "immabench card toy")


def test_a_line_says_what_its_row_does() -> None:
    line = (
        "| percentile | w8a8 `activations.calibrator=percentile` | 50.00 [43.1, 56.9] | -5.00 [-9.00, -1.00] | +2 -12 "
        "| worse | 21.3 | 3.00 |"
    )
    assert line in rendered().splitlines()


def test_verdicts() -> None:
    for interval, difference, text in (
        ((-0.02, 0.0), -0.01, "not distinguishable"),
        ((-0.02, -0.001), -0.01, "worse"),
        ((0.001, 0.02), 0.01, "better"),
    ):
        apart = not interval[0] <= 0 <= interval[1]
        found = verdict(row("d", difference_interval=interval, difference=difference, distinguishable=apart))
        assert found == text


def test_layers_of_one_reason_are_one_line() -> None:
    reasons = [f"layer1.{block}.conv{i}: groups do not fit" for block in (0, 1) for i in (1, 2)]
    text = rendered(fallbacks=[*reasons, "fc: another: reason"])
    assert "- w4, layer1.{0,1}.conv{1,2}: groups do not fit\n" in text
    assert "- w4, fc: another: reason\n" in text
    assert "more than the recipe asks for" not in rendered()


def test_a_watermark_is_shown() -> None:
    assert "\n> made of nothing\n" in rendered(watermark="made of nothing")


def test_a_line_without_a_row_is_an_error() -> None:
    with pytest.raises(KeyError):
        render_card("resnet18", [row("of no recipe")], "immabench card toy")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_recipe_is_valid_and_on_the_card(family: str) -> None:
    names = recipe_names(family)
    assert {"w8a8", "w8", "w4", "w4a8", "w4a4", "w8a8-dynamic"} <= set(names)
    for name in names:
        assert load_recipe(family, name).description, name
    entries = {entry.recipe for part in SECTIONS for entry in part.entries}
    assert entries == {*names, *BUILT_IN} - {"fp16"}


def test_a_card_answers_what_it_should() -> None:
    entries = [entry for part in SECTIONS for entry in part.entries]
    assert {"fp32", "bf16", "w8", "w4", "w4a8"} <= {entry.recipe for entry in entries}
    calibrators = [entry.label for entry in entries if entry.changes and "calibrator" in entry.changes[0]]
    assert calibrators == ["minmax", "moving-average", "percentile", "mse", "histogram", "entropy"]
    assert Entry("tensor", "w8a8", ("weights.granularity=tensor",)) in entries


@pytest.mark.parametrize("name", CARDS)
def test_committed_cards_are_what_their_rows_make(name: str) -> None:
    rows = read_rows(MODELS / name / FILE)
    assert {row.model for row in rows} == {name}
    text = (MODELS / name / "CARD.md").read_text(encoding="utf-8")
    measured = card_lines(MODELS / name / E2E_FILE)
    command = f"immabench card {name}{' --from RUN' if measured else ''}"
    assert text == render_card(trained_model(name).recipes, rows, command, measured)


@pytest.mark.parametrize("name", CARDS)
def test_committed_rows_are_of_one_model_and_data(name: str) -> None:
    rows = read_rows(MODELS / name / FILE)
    assert len({(row.weights_digest, row.data_digest, row.reference_top1, row.samples) for row in rows}) == 1
    for row in rows:
        counts = (row.gained - row.lost) / row.samples
        assert row.difference == pytest.approx(counts, abs=1e-12), "both are counts over samples"
        assert row.accuracy_top1 == pytest.approx(row.reference_top1 + counts, abs=1e-12)


@pytest.mark.parametrize("name", FLOORS)
def test_eight_bits_lose_no_more_than_they_may(name: str) -> None:
    digest = load_recipe(trained_model(name).recipes, "w8a8").digest
    found = [row for row in read_rows(MODELS / name / FILE) if row.recipe_digest == digest]
    assert [row.model for row in found] == [name], "the card is of the recipe as it is"
    assert found[0].difference >= -FLOORS[name] - 1e-9, "a quotient of counts"
