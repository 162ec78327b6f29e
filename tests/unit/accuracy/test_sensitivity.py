"""Layers that a recipe hurts: a planted one is found, and what the rows say is what quantized models do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from planted import BAD, LAYERS, RECIPE, planted  # noqa: E402

from immabench.accuracy.experiment import Experiment  # noqa: E402
from immabench.accuracy.outputs import correct, kl_divergence, sqnr_db  # noqa: E402
from immabench.accuracy.row_files import RowFile, rows_in  # noqa: E402
from immabench.accuracy.sensitivity import FILE, Sensitivity, fallback_recipe, held_out, passes  # noqa: E402
from immabench.accuracy.sensitivity_rows import SensitivityRow, by_layer, ranked, whole  # noqa: E402
from immabench.errors import NothingSelectedError, RunFolderError, UsageError  # noqa: E402
from immabench.quantize.recipes import LayerRecipe, Recipe  # noqa: E402

SAMPLES = 32
IN_FLOATS = LayerRecipe(floats=True)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment(planted())


@pytest.fixture(scope="module")
def rows(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> list[SensitivityRow]:
    return measured(experiment, RECIPE, tmp_path_factory.mktemp("study"))


def study(experiment: Experiment, recipe: Recipe = RECIPE) -> Sensitivity:
    return Sensitivity(experiment, recipe, held_out(experiment, recipe, SAMPLES))


def measured(experiment: Experiment, recipe: Recipe, folder: Path, resume: bool = False) -> list[SensitivityRow]:
    one = study(experiment, recipe)
    return one.measure(one.plans(), RowFile(folder / FILE, SensitivityRow, resume))


def with_layers(recipe: Recipe, **layers: LayerRecipe) -> Recipe:
    return recipe.model_copy(update={"layers": layers})


def test_the_planted_layer_is_the_worst_by_its_weights(rows: list[SensitivityRow]) -> None:
    worst, *others = ranked(rows)
    assert worst.name == BAD
    assert worst.weights.drop > 0.2, "what it ruins shows in the accuracy too"
    assert worst.weights.difference == (worst.weights.gained - worst.weights.lost) / SAMPLES
    assert worst.activations is not None
    assert worst.activations.kl_divergence < worst.weights.kl_divergence / 10
    for layer in others:
        assert layer.both.kl_divergence < worst.both.kl_divergence / 10
    assert [layer.both.kl_divergence for layer in others] == sorted(
        (layer.both.kl_divergence for layer in others), reverse=True
    )


def test_leaving_it_in_floats_recovers_the_model(rows: list[SensitivityRow]) -> None:
    (bad,) = [layer for layer in by_layer(rows) if layer.name == BAD]
    everything = whole(rows, "all")
    assert bad.others.kl_divergence < everything.kl_divergence / 10
    assert bad.gain == everything.kl_divergence - bad.others.kl_divergence
    assert max(by_layer(rows), key=lambda layer: layer.gain).name == BAD


def test_layers_come_in_the_order_they_run(rows: list[SensitivityRow]) -> None:
    assert [layer.name for layer in by_layer(rows)] == LAYERS


def test_floats_alone_are_the_reference(rows: list[SensitivityRow]) -> None:
    nothing = whole(rows, "none")
    assert (nothing.sqnr_db, nothing.kl_divergence, nothing.difference) == (None, 0.0, 0.0)
    assert nothing.reference_top1 == 1.0, "samples are labelled by the model in floats"


@pytest.mark.parametrize("name", LAYERS)
def test_rows_are_what_recipes_of_their_own_would_give(
    experiment: Experiment, rows: list[SensitivityRow], name: str
) -> None:
    """`others` of a layer is the recipe with the layer in floats, `both` that with all others in floats."""
    (layer,) = [layer for layer in by_layer(rows) if layer.name == name]
    kept = with_layers(RECIPE, **{name: IN_FLOATS})
    alone = with_layers(RECIPE, **{other: IN_FLOATS for other in LAYERS if other != name})
    data = held_out(experiment, RECIPE, SAMPLES)
    reference = experiment.outputs(experiment.traced.graph, "", data)
    model = experiment.quantized(kept)
    check(layer.others, experiment.outputs(model, "", data), reference, data.labels)
    model = experiment.quantized(alone)
    model.switch(["pool"], weights=False, activations=False)  # it is no product, and recipes do not name it
    check(layer.both, experiment.outputs(model, "", data), reference, data.labels)


def check(row: SensitivityRow, logits: np.ndarray, reference: np.ndarray, labels: np.ndarray) -> None:
    assert row.kl_divergence == kl_divergence(logits, reference)
    assert row.sqnr_db == sqnr_db(logits, reference)
    assert row.accuracy_top1 == correct(logits, labels).mean()


def test_samples_are_those_that_were_not_observed(experiment: Experiment) -> None:
    data, observed = held_out(experiment, RECIPE, SAMPLES), experiment.calibration(RECIPE)
    assert len(data) == len(set(data.identifiers)) == SAMPLES
    assert not set(data.identifiers) & set(observed.identifiers)
    assert all(name.startswith("old") for name in data.identifiers)
    assert len(held_out(experiment, RECIPE, 48)) == 48, "all that are left"
    with pytest.raises(
        UsageError, match="old has 64 samples, and 16 are for calibration: not 49 more; ask for --samples 48"
    ):
        held_out(experiment, RECIPE, 49)
    greedy = RECIPE.model_copy(update={"calibration": RECIPE.calibration.model_copy(update={"samples": 64})})
    with pytest.raises(UsageError, match=r"set calibration\.samples to fewer"):
        held_out(experiment, greedy, 1)


def test_weights_alone_are_all_there_is_where_activations_stay_floats(experiment: Experiment, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"activations": None})
    found = measured(experiment, recipe, tmp_path)
    assert len(found) == 2 + 2 * len(LAYERS)
    assert all(layer.activations is None and layer.both is layer.weights for layer in by_layer(found))
    assert ranked(found)[0].name == BAD


def test_patterns_choose_layers(experiment: Experiment) -> None:
    one = study(experiment)
    assert [plan.layer for plan in one.plans(["[bf]*", "last"])] == ["first", BAD, "last"]
    with pytest.raises(NothingSelectedError, match=r"no layer matches 'lats'; nearest: last"):
        one.plans(["bad", "lats"])


def test_a_recipe_that_quantizes_nothing_selects_nothing(experiment: Experiment) -> None:
    with pytest.raises(NothingSelectedError, match=r"recipe fp32 quantizes no layer; choose"):
        study(experiment, Recipe(name="fp32", calibration=RECIPE.calibration)).plans()
    spared = with_layers(RECIPE, bad=IN_FLOATS)
    with pytest.raises(NothingSelectedError, match=r"quantizes no layer that matches bad"):
        study(experiment, spared).plans(["bad"])


def test_the_fallback_recipe_leaves_the_worst_in_floats(experiment: Experiment, rows: list[SensitivityRow]) -> None:
    wide = with_layers(RECIPE, bad=LayerRecipe(weights={"bits": 4}), **{"*": LayerRecipe(weights={"range": "mse"})})
    spared = fallback_recipe(wide, rows, 1)
    assert spared.name == "w8a8-tensor-keep1"
    assert spared.layers == {"*": wide.layers["*"], BAD: IN_FLOATS}
    left = [plan.layer for plan in study(experiment, spared).plans()]
    assert left == [name for name in LAYERS if name != BAD], "no earlier or later pattern takes it back"
    assert fallback_recipe(RECIPE, rows, 99).name == "w8a8-tensor-keep4"


def test_a_killed_study_goes_on_where_it_was(
    experiment: Experiment, rows: list[SensitivityRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE
    lines = [row.model_dump_json() for row in rows]
    path.write_text("\n".join(lines[:-2]) + "\n" + lines[-2][:100])
    ran: list[str] = []
    one = Sensitivity(
        experiment,
        RECIPE,
        held_out(experiment, RECIPE, SAMPLES),
        lambda what, done, total: ran.append(f"{done}/{total}"),
    )
    found = one.measure(one.plans(), RowFile(path, SensitivityRow, resume=True))
    figures = [(row.key, row.layer, row.quantized, row.kl_divergence, row.sqnr_db) for row in found]
    assert figures == [(row.key, row.layer, row.quantized, row.kl_divergence, row.sqnr_db) for row in rows]
    total = len(rows) * SAMPLES
    assert [one for one in ran if one.endswith(f"/{total}")] == [
        f"{total - left}/{total}" for left in (SAMPLES + 16, SAMPLES, 16, 0)
    ]
    assert found == rows_in(path, SensitivityRow), "the torn line is gone"


def test_what_is_there_is_not_overwritten_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.touch()
    with pytest.raises(RunFolderError, match=r"exists; continue it with --resume"):
        RowFile(path, SensitivityRow)
    path.write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"sensitivity\.jsonl:1 is no row"):
        RowFile(path, SensitivityRow, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be written"):
        RowFile(tmp_path / "file" / FILE, SensitivityRow)


def test_keys_name_all_that_figures_depend_on(experiment: Experiment) -> None:
    one = study(experiment)
    todo = passes(one.plans())
    other_bits = RECIPE.model_copy(update={"calibration": RECIPE.calibration.model_copy(update={"seed": 1})})
    fewer = Sensitivity(experiment, RECIPE, held_out(experiment, RECIPE, 8))
    keys = [each.key(what) for each in (one, study(experiment, other_bits), fewer) for what in todo]
    assert len(set(keys)) == 3 * len(todo) == 3 * (2 + 4 * len(LAYERS))
