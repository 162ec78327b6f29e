"""The configurations of the INT8 GEMM, by what they have in common, and problems for all of them."""

from __future__ import annotations

import pytest

from immabench.kernels import kernel_configs
from immabench.problems import Problem

CONFIGS = [config for config in kernel_configs() if config.family == "gemm_s8"]
IMMA = [config for config in CONFIGS if config.id.startswith("imma")]
WGMMA = [config for config in CONFIGS if config.id.startswith("wgmma")]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
SHARED = [config for config in IMMA if config.streamed or config.split_k > 1]
WHOLE = [config for config in IMMA if config not in SHARED]
by_imma = pytest.mark.parametrize("config", IMMA, ids=lambda config: config.id)
by_whole = pytest.mark.parametrize("config", WHOLE, ids=lambda config: config.id)
by_shared = pytest.mark.parametrize("config", SHARED, ids=lambda config: config.id)
by_wgmma = pytest.mark.parametrize("config", WGMMA, ids=lambda config: config.id)
OUTPUT_BYTES = {"s32": 4, "s8": 1, "f32": 4, "f16": 2, "bf16": 2}


def scaled(m: int, n: int, k: int, output_type: str) -> Problem:
    """With all that reads no more than vectors: scales and bias, of int8 outputs their own."""
    if output_type == "s32":
        return Problem(m, n, k)
    quantized = {"out_scale": "vector", "out_zero": True} if output_type == "s8" else {}
    return Problem(m, n, k, output_type=output_type, row_scale="vector", col_scale="vector", bias=True, **quantized)
