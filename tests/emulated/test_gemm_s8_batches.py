"""Batches of products by the INT8 GEMM: each as if it were alone, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from gemm_s8 import CONFIGS, SHARED, by_imma, by_wgmma
from running import expect_exact

from immabench import _native
from immabench.kernels import KernelConfig
from immabench.measure.verify import EPILOGUES, ORDERS, problem_for
from immabench.problems import Problem


@by_imma
@pytest.mark.parametrize("multiprocessors", [1, 5])
def test_batches_are_exact_in_every_order(config: KernelConfig, multiprocessors: int) -> None:
    """Ragged products whose rows start on 16 bytes, and on none; tiles of two products in one block's share."""
    m, n, k = config.block_tile
    for depth in (k, 3 * k + 16, 2 * k + 5):
        for order in ORDERS:
            expect_exact(config, Problem(m + 1, n - 3, depth, batch=3), order=order, multiprocessors=multiprocessors)


@by_imma
@pytest.mark.parametrize("output_type", EPILOGUES)
def test_every_product_of_a_batch_has_an_epilogue_of_its_own(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    for width in (n + 4, n + 3):  # whole vectors, single elements
        expect_exact(config, problem_for(config, (m + 1, width, k + 16), output_type, {"batch": 3}))


def test_values_that_are_one_for_all_are_one_for_a_batch() -> None:
    for config in (CONFIGS[4], SHARED[0]):
        problem = Problem(50, 72, 80, output_type="s8", a_zero="tensor", out_scale="tensor", out_zero=True, batch=3)
        expect_exact(config, replace(problem, row_scale="tensor", col_scale="tensor"))


@by_wgmma
def test_what_reads_by_tensor_maps_computes_one_product(config: KernelConfig) -> None:
    reason = _native.illegal_reason(config.id, 128, 128, 128, "s32", batch=2)
    assert reason.startswith("computes one product, not a batch of them; take a kernel by mma.sync")
    assert _native.illegal_reason(config.id, 128, 128, 128, "s32", batch=1) is None


@pytest.mark.parametrize(
    ("shape", "batch", "reason"),
    [
        ((1, 1, 1), 0, "a batch has at least 1 product"),
        ((1 << 20, 1, 1), 1 << 11, "all rows of a batch, 2147483648, exceed 2\\^31-1; split it"),
        ((1, 1 << 26, 1), 1 << 12, "4096 times 1048576 tiles exceed the largest grid; .* or split the batch"),
    ],
)
def test_a_batch_too_large_says_what_to_do(shape: tuple[int, int, int], batch: int, reason: str) -> None:
    assert re.match(reason, _native.illegal_reason(CONFIGS[0].id, *shape, "s32", batch=batch))
