"""wgmma kernels of 16-bit activations and 4-bit weights with scales a group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from packed_gemm import (
    ORDERS,
    PackedGemm,
    decoded,
    edges,
    float_gemm,
    fragment_major,
    from_16_bits,
    kernels_of,
    random_zero,
    rounded_k,
    spread,
    to_16_bits,
    with_epilogue,
)

from immabench import _native

KERNELS = kernels_of("gemm_w4a16")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel["id"])
GROUPS = (32, 64, 128)


def test_every_pair_of_types_has_a_kernel() -> None:
    pairs = {(kernel["operand_types"]["a"], kernel["operand_types"]["b"]) for kernel in KERNELS}
    assert pairs == {("f16", "u4"), ("bf16", "u4")}
    assert {kernel["block_tile"][0] for kernel in KERNELS} >= {8, 24, 48, 80, 128}
    assert all(kernel["operand_types"]["accumulator"] == "f32" for kernel in KERNELS)


@by_kernel
def test_exact_on_the_edges_of_the_tile(kernel: dict[str, Any]) -> None:
    for index, (m, n, k) in enumerate(edges(kernel)):
        group = GROUPS[index % 3]
        float_gemm(kernel, m, n, rounded_k(k, group), group).expect_exact(kernel, "f32", order=ORDERS[index % 3])


@by_kernel
@pytest.mark.parametrize("order", ORDERS)
def test_exact_in_every_order(kernel: dict[str, Any], order: str) -> None:
    m, n, k = kernel["block_tile"]
    for group in GROUPS:
        float_gemm(kernel, m + 1, n + 1, 5 * k, group).expect_exact(kernel, "f32", order=order)


@by_kernel
@pytest.mark.parametrize("output_type", ["f32", "f16", "bf16"])
def test_exact_with_an_epilogue(kernel: dict[str, Any], output_type: str) -> None:
    m, n, k = kernel["block_tile"]
    for width in (n, n + 4, n + 3):
        gemm = with_epilogue(float_gemm(kernel, m + 1, width, 2 * k, 64), np.random.default_rng(2))
        gemm.expect_exact(kernel, output_type)


@by_kernel
def test_one_hot_activations_decode_every_code_with_any_scale(kernel: dict[str, Any]) -> None:
    """Weights are `round((code - zero) * scale)` in the activations' type: bit for bit, whatever the scale."""
    n, k, group = 64, 128, 32
    a_type = kernel["operand_types"]["a"]
    rng = np.random.default_rng(3)
    codes = (np.arange(n)[:, None] + np.arange(k)) % 16
    zero = random_zero(rng, n, k // group)
    scale = to_16_bits(a_type, rng.uniform(0.5, 1, (n, k // group)) * 2.0 ** rng.integers(-9, 9, (n, k // group)))
    product = decoded(codes, zero, group) * spread(from_16_bits(a_type, scale), group)
    weights = from_16_bits(a_type, to_16_bits(a_type, product))
    one_hot = np.eye(k)
    gemm = PackedGemm(
        to_16_bits(a_type, one_hot), one_hot, fragment_major(codes, 4, 16), weights, group, scale, None, zero
    )
    gemm.expect_exact(kernel, "f32")


@by_kernel
def test_general_operands_stay_within_the_bound(kernel: dict[str, Any]) -> None:
    """docs/numerics.md, "Floating-point matrix instructions": 18 roundings an instruction, and one a part of K."""
    m, n, k = kernel["block_tile"]
    gemm = float_gemm(kernel, m, n, 6 * k, 64, general=True)
    out, report = gemm.emulate(kernel, "f32")
    assert report["hazards"] == []
    roundings = (18 * (6 * k // 16) + kernel["split_k"]) * 2.0**-23
    bound = roundings / (1 - roundings) * (np.abs(gemm.activations) @ np.abs(gemm.weights).T)
    assert (np.abs(out - gemm.sums()) <= bound).all()


@by_kernel
def test_operands_and_outputs_move_at_the_ideal(kernel: dict[str, Any]) -> None:
    m, n, k = kernel["block_tile"]
    report = float_gemm(kernel, m, 2 * n, 8 * k, 128).expect_exact(kernel, "f32")
    counts = report["counts"]
    assert report["macs"] == 2 * m * n * 8 * k
    for name in ("wgmma_operands", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["bulk_load"]["bytes"] == 2 * ((2 * m + n // 2) * 8 * k + n * 8 * 4)
    for name in ("bulk_load", "global_store"):
        assert counts[name]["sectors"] == counts[name]["ideal"], name


def test_sums_of_floats_have_no_zero_point_of_activations() -> None:
    reason = _native.illegal_reason(KERNELS[0]["id"], 8, 128, 128, "f32", group=32, a_zero=True)
    assert "a zero point of A needs integer sums" in reason
