"""torch's int4 matmul on a GPU, and its packing, against the oracle."""

from __future__ import annotations

import pytest

from immabench.measure.trial import Trial
from immabench.problems import Problem
from immabench.providers.base import Step
from immabench.providers.torch_matmul import INT4_STEPS, TorchProvider


@pytest.mark.parametrize("shape", [(1, 4096, 4096), (17, 24, 32), (64, 512, 64), (300, 1000, 1152)])
@pytest.mark.parametrize(("config", "step"), INT4_STEPS.items())
def test_it_is_within_its_bound(config: str, step: Step, shape: tuple[int, int, int]) -> None:
    problem = Problem(*shape, output_type="bf16", row_scale="vector", col_scale="vector", bias=True)
    trial = Trial(TorchProvider(), problem, config, "cuda", 0, step)
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
