"""Verification: shapes on the tile's edges, every order of warps, hazards counted as wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from immabench.float_oracle import Oracle, determined_reference
from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.verify import (
    BATCH,
    EPILOGUES,
    ORDERS,
    batched_edges,
    difference,
    edge_shapes,
    problem_for,
    verify_kernel,
)
from immabench.operands import make_operands, typed_operands
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


def test_k_goes_up_to_whole_groups_and_chunks(config: KernelConfig) -> None:
    packed = replace(config, weight_layout="fragment_major", operand_types={"a": "bf16", "b": "u4"})
    problem = problem_for(replace(packed, group_scale="float"), (3, 5, 70), "f16")
    assert (problem.k, problem.b_group, problem.b_scale, problem.family) == (128, 64, "float", "gemm_w4a16")
    problem = problem_for(replace(packed, operand_types={"a": "f16", "b": "s8"}), (3, 5, 7), "s8")
    assert (problem.k, problem.b_group, problem.a_zero, problem.family) == (8, 0, "none", "gemm_w8a16")
    assert problem_for(config, (3, 5, 7), "s32").k == 7


def test_floats_are_compared_bit_for_bit_where_one_result_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(3, 5, 64, "f16", "s8", "bf16", col_scale="vector")
    operands = make_operands(problem)
    out = determined_reference(problem, typed_operands(problem, operands))
    assert not difference(Oracle(problem, operands), out)
    out[1, 2] ^= np.uint16(1)
    assert difference(Oracle(problem, operands), out).startswith("1 of 15 elements differ, first C[1,2]")
    monkeypatch.setattr("immabench.float_oracle.is_determined", lambda *_: False)
    assert not difference(Oracle(problem, operands), out)


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


def test_kernels_that_compute_batches_get_one_of_different_products(fake_native: Any, config: KernelConfig) -> None:
    (shape,) = batched_edges(config)
    m, n, k = config.block_tile
    assert shape == (m + 1, n - 1, config.stages * k + 3)
    (check,) = verify_kernel(config, [(3, 5, 7)], ["s8"], ("random",), "emulated", 0, {"batch": BATCH})
    assert (check.status, check.batch, check.shape) == ("ok", 3, (3, 5, 7))
    fake_native.illegal[config.id] = "computes one product"
    assert batched_edges(config) == []
    assert batched_edges(replace(config, operand_types={"a": "bf16", "b": "s4"})) == []


def test_a_shape_that_cannot_be_stated_hides_no_other(config: KernelConfig) -> None:
    packed = replace(config, operand_types={"a": "bf16", "b": "s4"})
    options = {"b_group": 16, "b_scale": "float"}
    checks = list(verify_kernel(packed, [(3, 5, 24), (3, 5, 32)], ["f16"], ORDERS, "emulated", 0, options))
    assert [check.shape for check in checks] == [(3, 5, 24), (3, 5, 32)]
    assert checks[0].detail.startswith("3x5x24: groups of 16 do not divide K")
    assert "do not divide" not in checks[1].detail


def test_options_that_operands_do_not_have_skip_a_kernel(config: KernelConfig) -> None:
    packed = replace(config, operand_types={"a": "bf16", "b": "s8"})
    (check,) = verify_kernel(packed, [(3, 5, 8)], ["f16"], ORDERS, "emulated", 0, {"batch": 2})
    assert (check.status, check.batch) == ("skipped", 2)
    assert check.detail.startswith("a batch of bf16_s8")
