"""A model with recipes: rows by definition, the same figures again, one pass for all that share it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from toy_models import WRONG, Images, toy, toy_module  # noqa: E402

from immabench.accuracy import experiment as experiments  # noqa: E402
from immabench.accuracy.experiment import Experiment  # noqa: E402
from immabench.errors import UsageError  # noqa: E402
from immabench.quantize.recipe_files import BUILT_IN, changed, load_recipe  # noqa: E402
from immabench.quantize.recipes import Recipe, WeightRecipe  # noqa: E402

W8A8 = load_recipe("resnet18", "w8a8")
W2 = Recipe(name="w2", weights=WeightRecipe(bits=2))


def test_fp32_is_its_own_reference() -> None:
    row = Experiment(toy()).evaluate(BUILT_IN["fp32"])
    assert (row.samples, row.accuracy_top1, row.reference_top1) == (60, 52 / 60, 52 / 60)
    assert (row.difference, row.gained, row.lost, row.p_value, row.distinguishable) == (0, 0, 0, 1, False)
    assert (row.sqnr_db, row.kl_divergence) == (None, 0), "the same logits"
    assert (row.precision, row.quantized_macs, row.calibration, row.fallbacks) == ("fp32", 0, "", [])
    assert row.size_bytes == 4 * sum(parameter.numel() for parameter in toy_module().parameters())
    assert (row.latency_ms_p50, row.throughput, row.runtime) == (None, None, "simulated"), "no speed of a simulation"
    assert row.watermark == "made of random numbers"


def test_a_rows_counts_are_those_of_its_logits() -> None:
    experiment = Experiment(toy())
    row = experiment.evaluate(W2)
    labels = experiment.data.labels
    ours = experiment.outputs(experiment.quantized(W2), "again").argmax(1) == labels
    theirs = experiment.reference.argmax(1) == labels
    assert row.accuracy_top1 == ours.mean()
    assert (row.gained, row.lost) == (int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))
    assert row.lost > row.gained, "two bits are too few"
    assert row.precision == "W2A16"


def test_eight_bits_are_near_and_two_are_far() -> None:
    experiment = Experiment(toy())
    near, far = experiment.evaluate(W8A8), experiment.evaluate(W2)
    assert near.sqnr_db is not None
    assert far.sqnr_db is not None
    assert near.sqnr_db > 30 > 15 > far.sqnr_db
    assert near.kl_divergence < far.kl_divergence
    assert (near.precision, near.quantized_macs) == ("W8A8", 1.0)
    assert 3 < near.size_bytes / far.size_bytes < 4, "scales and biases are the same"
    assert near.calibration == "other, 256 balanced by class, seed 0"


def test_a_model_evaluated_with_one_sample_takes_any_batch() -> None:
    experiment = Experiment(toy(), 1)
    assert experiment.evaluate(W8A8).samples == 1
    many = Experiment(toy()).data.inputs(range(5))
    assert experiment.traced.graph(*many).shape[0] == 5


def test_the_same_seed_gives_the_same_row() -> None:
    """And another one other scales; another name changes nothing."""
    one, again = (Experiment(toy()).evaluate(W8A8).model_dump(exclude={"seconds", "measured_at"}) for _ in range(2))
    assert one == again
    experiment = Experiment(toy())
    seeded, renamed = changed(W8A8, ["calibration.seed=1"]), W8A8.model_copy(update={"name": "mine"})
    assert experiment.quantized(W8A8).parameters_of != experiment.quantized(seeded).parameters_of
    assert len({experiment.key(recipe) for recipe in (W8A8, seeded, W2)}) == 3
    assert experiment.key(W8A8) == experiment.key(renamed)


def test_keys_know_weights_and_data() -> None:
    other = replace(toy(), evaluation=lambda: Images("others", 60, 5))
    with torch.no_grad():
        module = toy_module()
        module.fc.bias += 1
    retrained = replace(toy(), load=lambda: module)
    keys = {Experiment(model).key(W8A8) for model in (toy(), other, retrained)}
    assert len(keys | {Experiment(toy(), limit=12).key(W8A8)}) == 4


def test_calibration_data_is_passed_once_for_recipes_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []
    observe = experiments.observe

    def counted(*arguments: Any) -> Any:
        passes.append("")
        return observe(*arguments)

    monkeypatch.setattr(experiments, "observe", counted)
    experiment = Experiment(toy())
    for changes in ([], ["activations.calibrator=entropy"], ["weights.granularity=tensor"]):
        experiment.quantized(changed(W8A8, changes))
    assert len(passes) == 1
    experiment.quantized(changed(W8A8, ["methods.equalize=true"]))
    experiment.quantized(changed(W8A8, ["calibration.samples=16"]))
    assert len(passes) == 3, "other weights, other samples"


def test_a_limit_takes_the_same_of_each_class() -> None:
    data = Experiment(toy(), limit=12).data
    counts = np.bincount(data.labels)
    assert len(data) == 12
    assert counts[counts > 0].max() - counts[counts > 0].min() <= 1


def test_a_model_is_traced_without_evaluation_data() -> None:
    def missing() -> Any:
        raise UsageError("none here", "get some")

    experiment = Experiment(replace(toy(), evaluation=missing))
    assert len(experiment.quantized(W8A8).weights) == 3
    with pytest.raises(UsageError, match="none here; get some"):
        experiment.evaluate(W8A8)


def test_progress_tells_what_is_done() -> None:
    heard: list[tuple[str, int, int]] = []
    Experiment(toy(), progress=lambda *event: heard.append(event)).evaluate(W8A8)
    assert [what for what, done, total in heard if done == total] == ["fp32", "calibrating", "w8a8"]
    assert ("fp32", 16, 60) in heard


def test_more_samples_than_there_are_is_one_line() -> None:
    with pytest.raises(UsageError, match="other has 300 samples, not 301; ask for that many or fewer"):
        Experiment(toy()).quantized(changed(W8A8, ["calibration.samples=301"]))


def test_data_of_another_size_is_one_line() -> None:
    class Larger(Images):
        def inputs(self, indices: Any) -> tuple[Any, ...]:
            return (torch.zeros(len(indices), 4, 8, 8),)

    experiment = Experiment(toy())
    assert experiment.traced
    with pytest.raises(UsageError, match=r"the model does not take \[16, 4, 8, 8\] of larger"):
        experiment.outputs(experiment.traced.graph, "x", Larger("larger", 20, 0))


def test_wrong_is_what_fp32_gets_wrong() -> None:
    assert Experiment(toy()).evaluate(BUILT_IN["fp32"]).accuracy_top1 == 1 - WRONG / 60
