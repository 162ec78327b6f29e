"""The oracle as a provider."""

from __future__ import annotations

from immabench.measure.trial import Trial
from immabench.problems import Problem
from immabench.providers.reference import ReferenceProvider


def test_it_agrees_with_itself_once_launched() -> None:
    problem = Problem(5, 6, 7, output_type="bf16", row_scale="vector")
    trial = Trial(ReferenceProvider(), problem, "reference_numpy", "cpu", seed=0)
    assert trial.judge() != ""
    trial.launch()
    assert trial.judge() == ""


def test_it_offers_one_configuration_for_s8() -> None:
    provider = ReferenceProvider()
    assert provider.availability().ok
    assert provider.devices() == ("cpu",)
    (candidate,) = provider.configs(Problem(1, 1, 1), "cpu")
    assert (candidate.config_id, candidate.reason) == ("reference_numpy", None)
    assert provider.configs(Problem(1, 1, 1, "f32", "f32", "f32"), "cpu")[0].reason


def test_a_batch_is_computed_into_its_output() -> None:
    trial = Trial(ReferenceProvider(), Problem(5, 6, 7, batch=3), "reference_numpy", "cpu", seed=0)
    trial.launch()
    assert trial.judge() == ""
