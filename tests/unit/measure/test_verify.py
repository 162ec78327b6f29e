"""Verification: shapes on the tile's edges, every order of warps, hazards counted as wrong."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.verify import EPILOGUES, ORDERS, edge_shapes, verify_kernel
from immabench.problems import ACTIVATIONS, OUTPUT_TYPES, RESIDUAL_TYPES, Problem


@pytest.fixture
def config(fake_native: Any) -> KernelConfig:
    return kernel_configs()[1]


def test_edge_shapes_follow_the_tile(config: KernelConfig) -> None:
    shapes = edge_shapes(config)
    m, n, k = config.block_tile
    assert len(shapes) == len(set(shapes)) >= 12
    assert {(1, 1, 1), (m, n, k), (m - 1, n - 1, k - 1), (m + 1, n + 1, k + 1)} <= set(shapes)
    assert any(depth < config.stages * k for *_, depth in shapes)
    assert any(depth > config.stages * k for *_, depth in shapes)
    assert any(depth % 2 for *_, depth in shapes)
    for shape in shapes:
        Problem(*shape)


def test_epilogues_cover_every_output_and_kind_of_scale() -> None:
    assert set(EPILOGUES) == set(OUTPUT_TYPES)
    assert {epilogue.get("residual", "none") for epilogue in EPILOGUES.values()} == set(RESIDUAL_TYPES)
    assert {epilogue.get("activation", "none") for epilogue in EPILOGUES.values()} == set(ACTIVATIONS)
    for name in ("row_scale", "col_scale"):
        assert {str(epilogue.get(name, "none")) for epilogue in EPILOGUES.values()} == {"none", "tensor", "vector"}
    assert {epilogue.get("bias", False) for epilogue in EPILOGUES.values()} == {True, False}


def test_right_in_every_order(fake_native: Any, config: KernelConfig) -> None:
    checks = list(verify_kernel(config, [(3, 5, 7)], OUTPUT_TYPES, ORDERS, "emulated", 0))
    assert [check.status for check in checks] == ["ok"] * 5
    assert fake_native.orders_seen == list(ORDERS) * 5


def test_wrong_numbers_and_hazards_fail(fake_native: Any, config: KernelConfig) -> None:
    fake_native.hazard_orders.add("random")
    (check,) = verify_kernel(config, [(3, 5, 7)], ["s32"], ORDERS, "emulated", 0)
    assert check.status == "failed"
    assert check.detail.startswith("order random: 1 hazard, first: race at gemm.cuh:7, block 5, thread 3: two")
    fake_native.corrupt.add(config.id)
    (check,) = verify_kernel(config, [(3, 5, 7)], ["s32"], ORDERS, "emulated", 0)
    assert check.detail.startswith("order forward: 1 of 15 elements differ")


def test_an_illegal_shape_is_skipped_with_the_reason(fake_native: Any, config: KernelConfig) -> None:
    fake_native.illegal[config.id] = "K is odd"
    (check,) = verify_kernel(config, [(3, 5, 7)], ["s32"], ORDERS, "emulated", 0)
    assert (check.status, check.detail) == ("skipped", "K is odd")
