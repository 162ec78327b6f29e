"""GEMMs of 16-bit activations and packed weights on the hardware: exact where no sum rounds, else within the bound."""

from __future__ import annotations

import pytest

from immabench.kernels import KernelConfig, kernel_configs, runs_on
from immabench.measure.trial import Trial
from immabench.measure.verify import ORDERS, edge_shapes, verify_kernel
from immabench.problems import Problem
from immabench.providers.handwritten import HandwrittenProvider

CONFIGS = [config for config in kernel_configs() if config.family in ("gemm_w4a16", "gemm_w8a16")]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_every_edge_shape_and_output_type_is_right(config: KernelConfig) -> None:
    import torch

    present = "sm_{}{}".format(*torch.cuda.get_device_capability())
    if not runs_on(config, present):
        pytest.skip(f"{config.id} is for {', '.join(config.architectures)}; this GPU is {present}")
    checks = list(verify_kernel(config, edge_shapes(config), config.output_types, ORDERS, "cuda", seed=0))
    assert len(checks) == len(edge_shapes(config)) * len(config.output_types)
    assert [check for check in checks if check.status != "ok"] == []


@pytest.mark.parametrize("a_type", ["f16", "bf16"])
@pytest.mark.parametrize("m", [1, 16, 512])
@pytest.mark.parametrize(
    "weights", [{"b_type": "u4", "b_group": 128, "b_scale": "float"}, {"b_type": "s8", "col_scale": "vector"}]
)
def test_large_problems_are_within_the_bound(a_type: str, m: int, weights: dict[str, object]) -> None:
    """Sums of 14336 products round: an order that PTX allows is not known."""
    problem = Problem(m, 4096, 14336, a_type=a_type, output_type=a_type, **weights)  # type: ignore[arg-type]
    for entry in HandwrittenProvider().configs(problem, "cuda")[:2]:
        trial = Trial(HandwrittenProvider(), problem, entry.config_id, "cuda", seed=0)
        trial.launch()
        assert trial.judge() == ""
