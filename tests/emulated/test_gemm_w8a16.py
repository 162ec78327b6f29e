"""Hand-written GEMMs of 16-bit activations and int8 weights, by mma.sync on the emulated machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dequantized import any_floats, configs_of, emulate_operands, reference_of, up_to
from running import expect_exact

from immabench import _native
from immabench.data_types import round_to
from immabench.float_oracle import compare_float
from immabench.kernels import KernelConfig
from immabench.measure.verify import EPILOGUES, ORDERS, edge_shapes, problem_for
from immabench.problems import Problem

CONFIGS = configs_of("gemm_w8a16")
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
by_type = pytest.mark.parametrize("config", CONFIGS[::3], ids=lambda config: config.operand_types["a"])


def weights_of_channels(config: KernelConfig, m: int, n: int, k: int, **options: Any) -> Problem:
    """Of `config`'s activations, with int8 weights; K goes up to whole chunks of a row."""
    return Problem(
        m, n, up_to(k, 8), a_type=config.operand_types["a"], b_type="s8", **{"output_type": "f32", **options}
    )


def test_the_table_covers_both_types_and_few_to_many_rows() -> None:
    tiles = {name: [c.block_tile for c in CONFIGS if c.operand_types["a"] == name] for name in ("f16", "bf16")}
    assert tiles["f16"] == tiles["bf16"]
    assert {block_m for block_m, *_ in tiles["f16"]} >= {16, 48, 64, 80, 128}
    for config in CONFIGS:
        assert (config.operand_types["b"], config.operand_types["accumulator"]) == ("s8", "f32")
        assert (config.weight_layout, config.group_scale, config.mma) == ("fragment_major", "none", "m16n8k16")
        assert config.architectures == ("sm_80", "sm_86", "sm_89", "sm_90a")


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for m, n, k in edge_shapes(config):
        for order in ORDERS:
            expect_exact(config, weights_of_channels(config, m, n, k, col_scale="vector"), order=order)


@by_config
@pytest.mark.parametrize("output_type", sorted(set(EPILOGUES) - {"s32"}))
def test_exact_with_every_epilogue(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    for width in (n, n + 4, n + 3):  # whole vectors, a ragged tile of them, single elements
        expect_exact(config, problem_for(config, (m + 1, width, k + 16), output_type))


@by_config
def test_aligned_shapes_move_no_byte_twice(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, weights_of_channels(config, 2 * m, 2 * n, 4 * k))["counts"]
    assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 16)
    for name in ("ldmatrix", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["async_copy"]["wavefronts"] == counts["async_copy"]["ideal_wavefronts"] > 0
    for name in ("async_copy", "global_store"):
        assert counts[name]["sectors"] == counts[name]["ideal"] > 0, name
    assert counts["async_copy"]["bytes"] == 4 * (2 * m + n) * 4 * k  # four blocks, each with its rows of A and of B


@by_type
def test_one_hot_activations_decode_every_code_at_every_place(config: KernelConfig) -> None:
    n, k = 256, 64
    codes = ((np.arange(n)[:, None] + np.arange(k)) % 256 - 128).astype(np.int8)
    a_type = config.operand_types["a"]
    problem = weights_of_channels(config, k, n, k)
    out, report = emulate_operands(config, problem, {"a": round_to(a_type, np.eye(k, dtype=np.float32)), "b": codes})
    assert report["counts"]["unspecified"] == 0
    assert (codes == out.T).all()
    assert (np.sort(codes, axis=0) == np.arange(-128, 128)[:, None]).all()


@by_config
def test_general_operands_stay_within_the_bound(config: KernelConfig) -> None:
    """Every mantissa bit in use: PTX leaves these sums open, and so does the machine say."""
    m, n, k = config.block_tile
    problem = weights_of_channels(config, m, n, 6 * k, col_scale="vector", row_scale="tensor")
    operands = {"a": any_floats(np.random.default_rng(7), problem.a_type, m, problem.k)}
    out, report = emulate_operands(config, problem, operands)
    assert report["counts"]["unspecified"] > 0
    assert compare_float(problem, out, reference_of(problem, operands)).exact


@pytest.mark.parametrize(
    ("k", "group", "message"),
    [
        (20, 0, "K=20 is no multiple of 8, rows of A have no whole 16 bytes; pad K with zeros"),
        (64, 64, "has no scales a group of K; take another kernel"),
    ],
)
def test_illegal_problems_say_what_to_change(k: int, group: int, message: str) -> None:
    assert _native.illegal_reason(CONFIGS[0].id, 4, 16, k, "f32", group=group) == message
