"""wgmma kernels of 16-bit activations and 8-bit weights with a scale a channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from packed_gemm import (
    ORDERS,
    PackedGemm,
    edges,
    float_gemm,
    fragment_major,
    kernels_of,
    to_16_bits,
    with_epilogue,
)

KERNELS = kernels_of("gemm_w8a16")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel["id"])


def test_both_types_of_activations_have_kernels() -> None:
    assert {kernel["operand_types"]["a"] for kernel in KERNELS} == {"f16", "bf16"}
    assert {kernel["block_tile"][0] for kernel in KERNELS} >= {24, 80, 128, 160}


@by_kernel
def test_exact_on_the_edges_of_the_tile(kernel: dict[str, Any]) -> None:
    for index, (m, n, k) in enumerate(edges(kernel)):
        float_gemm(kernel, m, n, k).expect_exact(kernel, "f32", order=ORDERS[index % 3])


@by_kernel
@pytest.mark.parametrize("order", ORDERS)
def test_exact_in_every_order(kernel: dict[str, Any], order: str) -> None:
    m, n, k = kernel["block_tile"]
    float_gemm(kernel, m + 1, n + 1, 5 * k + 32).expect_exact(kernel, "f32", order=order)


@by_kernel
@pytest.mark.parametrize("output_type", ["f32", "f16", "bf16"])
def test_exact_with_an_epilogue(kernel: dict[str, Any], output_type: str) -> None:
    m, n, k = kernel["block_tile"]
    for width in (n, n + 4, n + 3):
        with_epilogue(float_gemm(kernel, m + 1, width, 2 * k), np.random.default_rng(2)).expect_exact(
            kernel, output_type
        )


@by_kernel
def test_one_hot_activations_decode_every_code(kernel: dict[str, Any]) -> None:
    n, k = 256, 32
    codes = (np.arange(n)[:, None] + np.arange(k)) % 256 - 128
    one_hot = np.eye(k)
    a = to_16_bits(kernel["operand_types"]["a"], one_hot)
    gemm = PackedGemm(a, one_hot, fragment_major(codes, 8, 16), codes.astype(np.float64))
    gemm.expect_exact(kernel, "f32")


@by_kernel
def test_operands_and_outputs_move_at_the_ideal(kernel: dict[str, Any]) -> None:
    m, n, k = kernel["block_tile"]
    report = float_gemm(kernel, m, 2 * n, 8 * k).expect_exact(kernel, "f32")
    counts = report["counts"]
    for name in ("wgmma_operands", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["bulk_load"]["bytes"] == 2 * (2 * m + n) * 8 * k
    for name in ("bulk_load", "global_store"):
        assert counts[name]["sectors"] == counts[name]["ideal"], name
