"""Quantizers, pooling, attention and what reorders weights give, on the hardware, the bits that are specified."""

from __future__ import annotations

import pytest

from immabench.kernels import CompanionConfig, companion_configs
from immabench.measure.trial import Trial
from immabench.measure.verify import ORDERS, verify_kernel
from immabench.problems import Problem
from immabench.providers.handwritten import HandwrittenProvider

CONFIGS = companion_configs()
SHAPES = ((64, 768), (33, 1023), (7, 16384), (3, 16390), (4096, 4096))
WINDOWS = (("8x112x112x64_f3_s2_p1",), ("64x7x7x512_f7",), ("3x57x55x24_f3_p1",), ("2x28x28x7_f2_s2",))
ATTENTION = ((1, 12, 128, 128), (4, 12, 512, 512), (2, 16, 77, 4099))
"""Batch, heads, queries and keys."""

by_config = pytest.mark.parametrize("config", CONFIGS, ids=[config.id for config in CONFIGS])
WEIGHTS = [
    {"b_type": "s4"},
    {"b_type": "s4", "b_group": 128, "b_scale": "step"},
    {"a_type": "bf16", "b_type": "u4", "b_group": 128, "b_scale": "float"},
    {"a_type": "f16", "b_type": "s8"},
]


@by_config
def test_every_edge_and_type_is_exact(config: CompanionConfig) -> None:
    checks = list(verify_kernel(config, (), (), ORDERS, "cuda", seed=0))
    assert checks
    assert [check for check in checks if check.status != "ok"] == []


@by_config
def test_large_matrices_are_exact(config: CompanionConfig) -> None:
    """Of odd columns there are no int4 codes, and few threads hold no long rows: those are skipped."""
    shapes = SHAPES if config.window_threads is None else WINDOWS
    if config.block_tile is not None:
        shapes = tuple((*shape, config.block_tile[2]) for shape in ATTENTION)
    checks = list(verify_kernel(config, shapes, (), ORDERS, "cuda", seed=1))
    assert [check for check in checks if check.status == "failed"] == []
    assert "ok" in {check.status for check in checks}


@pytest.mark.parametrize("weights", WEIGHTS, ids=["-".join(map(str, weights.values())) for weights in WEIGHTS])
def test_a_product_from_weights_reordered_on_the_gpu_is_right(weights: dict[str, object]) -> None:
    problem = Problem(16, 1040, 1024, output_type="f16", **weights)  # type: ignore[arg-type]
    provider = HandwrittenProvider()
    (packing,) = (one for one in provider.configs(problem, "cuda") if one.step == "pack")
    trial = Trial(provider, problem, packing.config_id, "cuda", seed=0, step="pack")
    for seed in (1, 2):
        trial.renew(seed)
        trial.launch()
        assert trial.judge() == ""
