"""wgmma kernels of int8 activations and 4-bit weights: exact in every form, ideal in their transactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from packed_gemm import (
    ORDERS,
    PackedGemm,
    edges,
    fragment_major,
    integer_gemm,
    kernels_of,
    rounded_k,
    with_epilogue,
)

from immabench import _native

KERNELS = kernels_of("gemm_w4a8")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel["id"])
by_step = pytest.mark.parametrize(
    "kernel", [kernel for kernel in KERNELS if kernel["group_scale"] == "step"], ids=lambda kernel: kernel["id"]
)


def groups_of(kernel: dict[str, Any]) -> list[int]:
    return [0] if kernel["group_scale"] == "none" else [32, 64, 128]


def output_of(kernel: dict[str, Any]) -> str:
    return kernel["output_types"][0] if "s32" in kernel["output_types"] else "f32"


def test_every_form_of_weights_has_a_kernel() -> None:
    forms = {(kernel["operand_types"]["b"], kernel["group_scale"]) for kernel in KERNELS}
    assert forms == {("s4", "none"), ("u4", "step"), ("u4", "float")}
    assert {kernel["block_tile"][0] for kernel in KERNELS} >= {8, 24, 48, 80, 128, 256}
    assert {kernel["split_k"] for kernel in KERNELS} == {1, 2, 4}
    assert {kernel["weight_layout"] for kernel in KERNELS} == {"fragment_major"}
    assert all("s32" not in kernel["output_types"] for kernel in KERNELS if kernel["group_scale"] == "float")


@by_kernel
def test_exact_on_the_edges_of_the_tile(kernel: dict[str, Any]) -> None:
    for index, (m, n, k) in enumerate(edges(kernel)):
        group = groups_of(kernel)[index % len(groups_of(kernel))]
        gemm = integer_gemm(kernel, m, n, rounded_k(k, group), group)
        gemm.expect_exact(kernel, output_of(kernel), order=ORDERS[index % 3])


@by_kernel
@pytest.mark.parametrize("order", ORDERS)
def test_exact_in_every_order(kernel: dict[str, Any], order: str) -> None:
    m, n, k = kernel["block_tile"]
    for group in groups_of(kernel):
        integer_gemm(kernel, m + 1, n + 1, 7 * k, group).expect_exact(kernel, output_of(kernel), order=order)


@by_step
def test_one_group_may_cover_all_of_k(kernel: dict[str, Any]) -> None:
    for k in (16, 48, 64, 208, 720):
        integer_gemm(kernel, 5, 40, k, k).expect_exact(kernel, "s32")


@by_kernel
@pytest.mark.parametrize("output_type", ["f32", "f16", "bf16"])
def test_exact_with_an_epilogue(kernel: dict[str, Any], output_type: str) -> None:
    m, n, k = kernel["block_tile"]
    group = groups_of(kernel)[0]
    for width in (n, n + 4, n + 3):
        gemm = with_epilogue(integer_gemm(kernel, m + 1, width, 2 * k, group), np.random.default_rng(1))
        gemm.expect_exact(kernel, output_type)


@by_kernel
def test_one_hot_activations_decode_every_code(kernel: dict[str, Any]) -> None:
    """Row m of the output is column m of the weights, for every code at every place of a block."""
    n, k, group = 32, 128, groups_of(kernel)[0]
    gemm = integer_gemm(kernel, k, n, k, group)
    low = 0 if kernel["operand_types"]["b"] == "u4" else -8
    codes = (np.arange(n)[:, None] + np.arange(k)) % 16 + low
    weights = codes.astype(np.float64)
    if gemm.group_zero is not None:
        weights = weights - np.repeat(gemm.group_zero, group, axis=1)
    if gemm.group_step is not None:
        weights = weights * np.repeat(gemm.group_step, group, axis=1)
    a = np.eye(k, dtype=np.int8)
    gemm = PackedGemm(
        a,
        a.astype(np.float64),
        fragment_major(codes, 4, 8),
        weights,
        group,
        gemm.group_scale,
        gemm.group_step,
        gemm.group_zero,
        gemm.group_sums,
    )
    gemm.expect_exact(kernel, output_of(kernel))


@by_kernel
def test_operands_and_outputs_move_at_the_ideal(kernel: dict[str, Any]) -> None:
    m, n, k = kernel["block_tile"]
    group = 128 if groups_of(kernel)[0] else 0
    gemm = integer_gemm(kernel, m, 2 * n, 8 * k, group)
    report = gemm.expect_exact(kernel, output_of(kernel))
    counts = report["counts"]
    assert report["macs"] == 2 * m * n * 8 * k
    for name in ("wgmma_operands", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["bulk_load"]["sectors"] == counts["bulk_load"]["ideal"]
    # Two tiles: activations, half a byte a weight, and 2 or 6 for each group and column.
    parameters = n * 8 * {"none": 0, "step": 2, "float": 6}[kernel["group_scale"]]
    assert counts["bulk_load"]["bytes"] == 2 * ((m + n // 2) * 8 * k + parameters)
    assert counts["global_store"]["sectors"] == counts["global_store"]["ideal"] > 0


@pytest.mark.parametrize(
    ("form", "k", "group", "message"),
    [
        ("none", 40, 0, "K=40 is no multiple of 16"),
        ("step", 96, 64, "K=96 is no whole number of groups of 64"),
        ("float", 256, 256, "has groups of 32, 64 or 128 elements of K, not 256"),
        ("none", 128, 64, "has no scales a group of K"),
    ],
)
def test_illegal_problems_say_what_to_change(form: str, k: int, group: int, message: str) -> None:
    kernel = next(kernel for kernel in KERNELS if kernel["group_scale"] == form)
    reason = _native.illegal_reason(kernel["id"], 8, 128, k, "f32", group=group)
    assert message in reason
    assert "\n" not in reason


def test_operands_start_on_16_bytes() -> None:
    kernel = KERNELS[0]
    a = np.ones(8 * 128 + 4, np.int8)[4:].reshape(8, 128)
    with pytest.raises(ValueError, match="operand 'a' starts at an address that is no multiple of 16 bytes"):
        _native.emulate_gemm(
            kernel["id"], a, np.zeros((1, 2, 512), np.uint8), np.zeros((8, 16), np.int32), output_type="s32"
        )
