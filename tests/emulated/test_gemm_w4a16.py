"""Hand-written GEMMs of 16-bit activations and 4-bit weights in groups, by mma.sync on the emulated machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dequantized import GROUPS, any_floats, configs_of, emulate_operands, exact_weights, reference_of, up_to
from running import expect_exact

from immabench import _native
from immabench.data_types import as_float32, pack_codes, round_to
from immabench.float_oracle import compare_float
from immabench.kernels import KernelConfig, illegal_reason
from immabench.measure.verify import EPILOGUES, ORDERS, edge_shapes, problem_for
from immabench.packing import from_awq, from_gptq
from immabench.problems import Problem

CONFIGS = configs_of("gemm_w4a16")
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
by_type = pytest.mark.parametrize("config", CONFIGS[::4], ids=lambda config: config.operand_types["a"])


def weights_in_groups(config: KernelConfig, m: int, n: int, k: int, group: int, **options: Any) -> Problem:
    """Of `config`'s activations, with 4-bit weights that have float scales; K goes up to whole groups."""
    given = {"b_type": "u4", "output_type": "f32", "b_scale": "float", **options}
    return Problem(m, n, up_to(k, group), a_type=config.operand_types["a"], b_group=group, **given)


def test_the_table_covers_both_types_and_few_to_many_rows() -> None:
    tiles = {name: [c.block_tile for c in CONFIGS if c.operand_types["a"] == name] for name in ("f16", "bf16")}
    assert tiles["f16"] == tiles["bf16"]
    assert {block_m for block_m, *_ in tiles["f16"]} >= {16, 32, 64, 128}
    for config in CONFIGS:
        assert (config.operand_types["b"], config.operand_types["accumulator"]) == ("u4", "f32")
        assert (config.weight_layout, config.group_scale, config.mma) == ("fragment_major", "float", "m16n8k16")
        assert config.architectures == ("sm_80", "sm_86", "sm_89", "sm_90a")


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for index, (m, n, k) in enumerate(edge_shapes(config)):
        whole = up_to(k, 8)
        for group, b_type in ((GROUPS[index % 3], "u4"), (whole, "u4"), (GROUPS[(index + 1) % 3], "s4")):
            for order in ORDERS:
                expect_exact(config, weights_in_groups(config, m, n, k, group, b_type=b_type), order=order)


@by_config
@pytest.mark.parametrize("output_type", sorted(set(EPILOGUES) - {"s32"}))
def test_exact_with_every_epilogue(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    for width in (n, n + 4, n + 3):  # whole vectors, a ragged tile of them, single elements
        expect_exact(config, problem_for(config, (m + 1, width, k + 16), output_type))


@by_type
@pytest.mark.parametrize("k", [8, 24, 40, 56, 72, 120, 136, 1000])
def test_one_group_may_be_all_of_k(config: KernelConfig, k: int) -> None:
    problem = weights_in_groups(config, 5, 40, k, k)
    for given in (problem, replace(problem, b_scale="none"), replace(problem, b_type="s4", b_group=0, b_scale="none")):
        expect_exact(config, given)


@by_config
@pytest.mark.parametrize("group", [*GROUPS, 0])
def test_aligned_shapes_move_no_byte_twice(config: KernelConfig, group: int) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, weights_in_groups(config, 2 * m, 2 * n, 4 * k, group or 4 * k))["counts"]
    assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 16)
    for name in ("ldmatrix", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["async_copy"]["wavefronts"] == counts["async_copy"]["ideal_wavefronts"] > 0
    for name in ("async_copy", "global_store"):
        assert counts[name]["sectors"] == counts[name]["ideal"] > 0, name
    # Four blocks, each with its rows of A, its weights, and a word for each group of a column: once a tile at least.
    rows, weights, groups = 2 * m * 4 * k, n * 4 * k // 2, 4 * n * max(4, 4 * k // (group or 4 * k))
    assert counts["async_copy"]["bytes"] == 4 * (rows + weights + groups)


@by_type
@pytest.mark.parametrize("group", GROUPS)
def test_one_hot_activations_decode_every_code_of_every_zero_point(config: KernelConfig, group: int) -> None:
    """Each weight is round((code - zero) * scale), rounded once: scales have full mantissas, of every exponent that
    does not overflow, so that some weights are subnormal."""
    n, k, a_type = 256, 2 * group, config.operand_types["a"]
    generator = np.random.default_rng(group)
    codes = (np.arange(n)[:, None] + 3 * np.arange(k)) % 16
    zero = np.stack([np.arange(n) // 16, np.arange(n) % 16], axis=1)
    exponents = generator.integers(-24, 12, (n, 2)) if a_type == "f16" else generator.integers(-126, 124, (n, 2))
    scale = round_to(a_type, np.ldexp(generator.uniform(1, 2, (n, 2)), exponents).astype(np.float32))
    problem = weights_in_groups(config, k, n, k, group)
    operands = {
        "a": round_to(a_type, np.eye(k, dtype=np.float32)),
        "b": pack_codes(codes.astype(np.int8), 4),
        "group_zero": zero.astype(np.uint8),
        "group_scale": scale,
    }
    out, _ = emulate_operands(config, problem, operands)
    weights = exact_weights(problem, codes, zero, as_float32(a_type, scale))
    assert len({*zip(codes[:, :group].ravel(), np.repeat(zero[:, 0], group), strict=True)}) == 256
    assert (weights == out.T).all()


@by_config
def test_general_operands_stay_within_the_bound(config: KernelConfig) -> None:
    """Every mantissa bit in use: PTX leaves these sums open, and so does the machine say."""
    m, n, k = config.block_tile
    problem, generator = weights_in_groups(config, m, n, 6 * k, 64), np.random.default_rng(7)
    a_type = problem.a_type
    scale = round_to(a_type, generator.uniform(0.001, 0.1, (n, problem.k // 64)).astype(np.float32))
    operands = {"a": any_floats(generator, a_type, m, problem.k), "group_scale": scale}
    out, report = emulate_operands(config, problem, operands)
    assert report["counts"]["unspecified"] > 0
    assert compare_float(problem, out, reference_of(problem, operands)).exact


@by_type
@pytest.mark.parametrize("tool", ["awq", "gptq"])
def test_checkpoints_multiply_as_their_values(config: KernelConfig, tool: str) -> None:
    """One-hot activations, so that the output is the weights: in f16 what the checkpoint says, rounded once."""
    n, k, group = 64, 256, 128
    generator = np.random.default_rng(11)
    scales = generator.uniform(2.0**-10, 4.0, (k // group, n)).astype(np.float16)
    words = (k, n // 8) if tool == "awq" else (k // 8, n)
    qweight = generator.integers(-(2**31), 2**31, words, np.int32)
    qzeros = np.full((k // group, n // 8), 0x76543210, np.int32)
    checkpoint = (from_awq if tool == "awq" else from_gptq)(qweight, qzeros, scales)
    assert checkpoint.zero is not None
    a_type = config.operand_types["a"]
    operands = {
        "a": round_to(a_type, np.eye(k, dtype=np.float32)),
        "b": pack_codes(checkpoint.codes(), 4),
        "group_zero": checkpoint.zero.astype(np.uint8),
        "group_scale": round_to(a_type, checkpoint.scale),
    }
    problem = weights_in_groups(config, k, n, k, group)
    out, _ = emulate_operands(config, problem, operands)
    scale = as_float32(a_type, operands["group_scale"])
    assert (exact_weights(problem, checkpoint.codes(), checkpoint.zero, scale) == out.T).all()
    if a_type == "f16":
        assert (checkpoint.values().astype(np.float16) == out.T).all()


@pytest.mark.parametrize(
    ("k", "options", "message"),
    [
        (20, {"group": 20}, "K=20 is no multiple of 8, rows of A have no whole 16 bytes; pad K with zeros"),
        (96, {"group": 48}, "has groups of 32, 64 or 128 elements of K, or one of all of K, not 48"),
        (96, {"group": 64}, "K=96 is no whole number of groups of 64; pad K"),
        (64, {"group": 64, "a_zero": True}, "a zero point of A needs integer sums"),
        (2**27, {"group": 64}, "K=134217728 exceeds 67108864, what 16 packed rows may have; split K"),
    ],
)
def test_illegal_problems_say_what_to_change(k: int, options: dict[str, Any], message: str) -> None:
    reason = _native.illegal_reason(CONFIGS[0].id, 4, 16, k, "f32", **options)
    assert message in reason
    assert "\n" not in reason


def test_problems_of_other_operands_are_not_theirs() -> None:
    def reason(**changes: Any) -> str | None:
        return illegal_reason(CONFIGS[0], replace(Problem(4, 16, 64, "f16", "u4", "f32", b_group=64), **changes))

    assert reason() is None
    assert reason(b_type="s4", b_scale="float") is None
    assert reason(a_type="bf16") == "multiplies f16 activations, not bf16"
    assert reason(b_type="s8", b_group=0) == "computes gemm_w4a16, not gemm_w8a16"


AFFINE = np.full((1, 16), 0x6408_3C00, np.uint32)  # scale 1, zero point 8


def misaligned(values: np.ndarray) -> np.ndarray:
    """A copy that starts 8 bytes past a multiple of 16."""
    memory = np.empty(values.nbytes + 32, np.uint8)
    start = -memory.ctypes.data % 16 + 8
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": np.ones((4, 64), np.uint16)}, "operand 'a' holds uint16 where float16 is needed"),
        ({"a": misaligned(np.ones((4, 64), np.float16))}, "operand 'a' starts at an address that is no multiple of 16"),
        ({"b": np.zeros((16, 32), np.uint8)}, "operand 'b' has shape \\[16, 32\\] where \\[1, 1, 512\\]"),
        ({"group_affine": None}, "needs 'group_affine'"),
        ({"group_affine": AFFINE[:, :8].copy()}, "operand 'group_affine' has shape \\[1, 8\\] where \\[1, 16\\]"),
        ({"group_affine": AFFINE.astype(np.uint16)}, "operand 'group_affine' holds uint16 where uint32 is needed"),
        ({"group_affine": AFFINE + np.uint32(8 << 16)}, "zero points from 0 to 15"),
        ({"group_affine": AFFINE | np.uint32(0x8000)}, "scales are positive and finite"),
        ({"group_scale": np.ones((1, 16), np.float32)}, "takes no 'group_scale'"),
        ({"output_type": "s32", "out": np.zeros((4, 9), np.int32)}, "sums in float; take output type f32"),
    ],
)
def test_bad_operands_are_named_in_one_line(change: dict[str, Any], message: str) -> None:
    call = {
        "a": np.ones((4, 64), np.float16),
        "b": np.zeros((1, 1, 512), np.uint8),
        "out": np.zeros((4, 9), np.float32),
        "group_affine": AFFINE,
        "group": 64,
        "output_type": "f32",
        **change,
    }
    with pytest.raises(ValueError, match=message) as error:
        _native.emulate_gemm(CONFIGS[0].id, **call)
    assert "\n" not in str(error.value)
