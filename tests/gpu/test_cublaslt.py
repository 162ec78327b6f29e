"""cuBLASLt computes what the oracle says, by the best of at least eight algorithms where it has them."""

from __future__ import annotations

import re

import pytest

from immabench.measure.trial import Trial
from immabench.measure.verify import EPILOGUES
from immabench.problems import Problem
from immabench.providers.cublaslt import CONFIG_TYPES, CublasLtProvider


@pytest.mark.parametrize("output_type", list(EPILOGUES))
@pytest.mark.parametrize("shape", [(512, 1024, 768), (64, 4096, 4096), (4096, 4096, 4096)])
@pytest.mark.parametrize("config", list(CONFIG_TYPES))
def test_it_is_right_and_fairly_chosen(config: str, shape: tuple[int, int, int], output_type: str) -> None:
    problem = Problem(*shape, output_type=output_type, **EPILOGUES[output_type])  # type: ignore[arg-type]
    provider = CublasLtProvider()
    reason = {candidate.config_id: candidate.reason for candidate in provider.configs(problem, "cuda")}[config]
    if reason:
        pytest.skip(reason)
    trial = Trial(provider, problem, config, "cuda", seed=0)
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
    tried = re.search(r"cublasLt-\d+:id=\d+,.*\(best of (\d+)\)", trial.launchable.backend)
    assert tried
    assert int(tried[1]) >= (8 if config == "cublaslt_int8" and shape == (4096, 4096, 4096) else 1)


@pytest.mark.parametrize("config", list(CONFIG_TYPES))
def test_strided_batches_are_right(config: str) -> None:
    problem = Problem(128, 256, 64, output_type="f16", row_scale="tensor", col_scale="tensor", bias=True, batch=12)
    provider = CublasLtProvider()
    reason = {candidate.config_id: candidate.reason for candidate in provider.configs(problem, "cuda")}[config]
    if reason:
        pytest.skip(reason)
    trial = Trial(provider, problem, config, "cuda", seed=0)
    trial.launch()
    assert trial.judge() == ""
