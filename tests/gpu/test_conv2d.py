"""The compiled convolutions give, on the hardware, the bits the specification asks for."""

from __future__ import annotations

import pytest

from immabench.kernels import KernelConfig, convolves, kernel_configs
from immabench.measure.trial import Trial
from immabench.measure.verify import EPILOGUES, ORDERS, convolution_for, verify_kernel
from immabench.problems import conv_problem
from immabench.providers.handwritten import HandwrittenProvider

CONFIGS = [config for config in kernel_configs() if convolves(config)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_every_edge_geometry_and_output_type_is_exact(config: KernelConfig) -> None:
    problem = convolution_for(config, "1x6x6x32_f3", 64, "f16")
    offered = {entry.config_id: entry.reason for entry in HandwrittenProvider().configs(problem, "cuda")}
    if offered[config.id] is not None:
        pytest.skip(f"this GPU does not run the configuration: {offered[config.id]}")
    checks = list(verify_kernel(config, (), list(EPILOGUES), ORDERS, "cuda", seed=0))
    assert [check for check in checks if check.status == "failed"] == []
    assert any(check.status == "ok" for check in checks)


@pytest.mark.parametrize("geometry", ["8x56x56x64_f3_p1", "8x56x56x80_f3_s2_p1", "32x7x7x512_f3_p1"])
def test_layers_of_a_network_are_exact(geometry: str) -> None:
    """More tiles than multiprocessors, and tiles of many images."""
    problem = conv_problem(geometry, 128, output_type="f16", col_scale="vector", bias=True, activation="relu")
    for entry in HandwrittenProvider().configs(problem, "cuda"):
        if entry.reason is None:
            trial = Trial(HandwrittenProvider(), problem, entry.config_id, "cuda", seed=0)
            trial.launch()
            assert trial.judge() == "", entry.config_id
