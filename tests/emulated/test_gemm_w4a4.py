"""int4 by int4 by mma.sync on the emulated machine: exact everywhere, ideal where aligned."""

from __future__ import annotations

import numpy as np
import pytest
import running
from low_precision import ORDERS, Case, alone, edges, expect_exact, expect_ideal, run

from immabench import _native
from immabench.kernels import KernelConfig, kernel_configs
from immabench.problems import Problem

CONFIGS = [config for config in kernel_configs() if config.family == "gemm_w4a4"]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)


def make_case(m: int, n: int, k: int) -> Case:
    """Codes over the full range, with both ends."""
    generator = np.random.default_rng([m, n, k])
    a, codes = (generator.integers(-8, 8, (rows, k)).astype(np.int8) for rows in (m, n))
    a[0, 0], a[-1, -1], codes[0, 0], codes[-1, -1] = -8, 7, -8, 7
    return Case(a, codes)


def test_only_architectures_with_the_instruction_are_named() -> None:
    assert len(CONFIGS) >= 4
    for config in CONFIGS:
        assert set(config.architectures) <= {"sm_80", "sm_86", "sm_89"}
        assert "sm_80" in config.architectures
        assert config.mma == "m16n8k64"


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for multiple in (32, 2):  # whole chunks of 16 bytes, and bytes
        for m, n, k in edges(config, multiple):
            for order in ORDERS if multiple == 32 else ("random",):
                expect_exact(config, make_case(m, n, k), order=order)


@pytest.mark.parametrize("config", alone(CONFIGS), ids=lambda config: config.id)
def test_aligned_shapes_move_no_byte_twice(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, make_case(2 * m, 2 * n, 4 * k))["counts"]
    assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 64)
    assert counts["async_copy"]["bytes"] == 4 * (m + n) * 4 * k // 2
    expect_ideal(counts, "ldmatrix", "shared_load", "shared_store", "async_copy", "global_store")


def test_one_hot_activations_show_what_each_code_stands_for() -> None:
    codes = (np.arange(32)[:, None] + np.arange(128)) % 16 - 8
    for value in (-8, -1, 1, 7):
        expect_exact(CONFIGS[0], Case(value * np.eye(128, dtype=np.int8), codes))


def test_a_zero_point_of_activations_corrects_the_sums() -> None:
    case = make_case(9, 20, 96)
    case.epilogue.update(a_zero=np.array([-3], np.int32), b_sum=case.codes.sum(axis=1).astype(np.int32))
    out, _ = run(CONFIGS[0], case, "s32")
    assert (out == (case.a.astype(np.int64) + 3) @ case.codes.astype(np.int64).T).all()


def test_sums_of_small_products_may_be_long() -> None:
    """K that overflows int32 with int8 operands does not with int4."""
    for k, legal in ((1 << 24, True), (1 << 25, False)):
        assert (_native.illegal_reason(CONFIGS[0].id, 1, 1, k, "s32") is None) == legal
    assert "K=3 is no multiple of 2" in _native.illegal_reason(CONFIGS[0].id, 1, 1, 3, "s32")


@by_config
def test_batches_are_exact(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    for depth in (2 * k, k + 2):
        problem = Problem(m + 1, n + 3, depth, "s4", "s4", batch=3)
        for order in ORDERS:
            running.expect_exact(config, problem, order=order)
