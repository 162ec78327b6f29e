"""Bits by bits, counting where both are 1, by mma.sync on the emulated machine."""

from __future__ import annotations

import numpy as np
import pytest
import running
from low_precision import ORDERS, Case, alone, edges, expect_exact, expect_ideal, run

from immabench import _native
from immabench.kernels import KernelConfig, kernel_configs
from immabench.problems import Problem

CONFIGS = [config for config in kernel_configs() if config.family == "gemm_b1"]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)


def make_case(m: int, n: int, k: int) -> Case:
    generator = np.random.default_rng([m, n, k])
    return Case(*(generator.integers(0, 2, (rows, k)).astype(np.int8) for rows in (m, n)))


def test_every_architecture_has_the_instruction() -> None:
    assert len(CONFIGS) >= 4
    assert all({"sm_80", "sm_90a"} <= set(config.architectures) for config in CONFIGS)
    assert {config.mma for config in CONFIGS} == {"m16n8k256"}


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for multiple in (128, 8):  # whole chunks of 16 bytes, and bytes
        for m, n, k in edges(config, multiple):
            for order in ORDERS if multiple == 128 else ("random",):
                expect_exact(config, make_case(m, n, k), order=order)


@pytest.mark.parametrize("config", alone(CONFIGS), ids=lambda config: config.id)
def test_aligned_shapes_move_no_byte_twice(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, make_case(2 * m, 2 * n, 4 * k))["counts"]
    assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 256)
    assert counts["async_copy"]["bytes"] == 4 * (m + n) * 4 * k // 8
    expect_ideal(counts, "ldmatrix", "shared_load", "shared_store", "async_copy", "global_store")


def test_every_bit_has_its_place() -> None:
    """Row i of A is the bit i alone, so that the sums are the weights' bits; and all ones count K."""
    k = 256
    weights = np.random.default_rng(0).integers(0, 2, (64, k))
    expect_exact(CONFIGS[0], Case(np.eye(k, dtype=np.int8), weights))
    expect_exact(CONFIGS[0], Case(np.ones((3, k), np.int8), np.ones((64, k), np.int8)))


def test_signs_follow_by_scale_and_bias() -> None:
    """Bits that stand for -1 and 1: sum of products = K - 2 a - 2 b + 4 both; the epilogue does what is of columns."""
    m, n, k = 5, 24, 256
    case = make_case(m, n, k)
    ones = case.codes.sum(axis=1)
    case.epilogue.update(col_scale=np.full(1, 4, np.float32), bias=(k - 2.0 * ones).astype(np.float32))
    out, _ = run(CONFIGS[0], case, "f32")
    signs = (2 * case.a.astype(np.int64) - 1) @ (2 * case.codes.astype(np.int64) - 1).T
    assert (out - 2 * case.a.sum(axis=1)[:, None] == signs).all()


def test_long_sums_of_bits_are_legal() -> None:
    assert _native.illegal_reason(CONFIGS[0].id, 1, 1, 1 << 24, "s32") is None
    assert "K=12 is no multiple of 8" in _native.illegal_reason(CONFIGS[0].id, 1, 1, 12, "s32")


@by_config
def test_batches_are_exact(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    for depth in (2 * k, k + 8):
        problem = Problem(m + 1, n + 3, depth, "b1", "b1", batch=3)
        for order in ORDERS:
            running.expect_exact(config, problem, order=order)
