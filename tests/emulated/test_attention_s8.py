"""Fused attention on the emulated machine: exact around every tile, alike in every tile, in the fewest transactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from quantizing import ORDERS, configs_of, expect_ideal, run, shifted

from immabench import _native
from immabench.attention import attention_scores, softmax_codes
from immabench.kernels import CompanionConfig, kernel_configs
from immabench.measure.attention_cases import edge_shapes
from immabench.measure.companion_calls import CompanionCall, attention_s8
from immabench.measure.companion_cases import CompanionCase, choices
from immabench.operands import aligned

KERNELS = configs_of("attention_s8")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.id for kernel in KERNELS])
OUTPUTS = ("f32", "f16", "bf16", "s8")


def tile_of(kernel: CompanionConfig) -> tuple[int, int, int]:
    assert kernel.block_tile is not None
    return kernel.block_tile


def call_of(shape: tuple[int, int, int, int, int], **options: Any) -> CompanionCall:
    """Random tokens, with a scale that spreads the shares of keys."""
    batch, heads, queries, keys, depth = shape
    random = np.random.default_rng(shape)
    tokens = [
        aligned(random.integers(-128, 128, (batch, count, heads, depth)).astype(np.int8))
        for count in (queries, keys, keys)
    ]
    return attention_s8(*tokens, scale=2.0**-13, v_scale=0.02, **options)


@by_kernel
def test_exact_around_the_tile_in_every_order(kernel: CompanionConfig) -> None:
    for shape in edge_shapes(tile_of(kernel)):
        for choice, order in zip(choices(kernel), ORDERS * 8, strict=False):
            run(CompanionCase(kernel, shape, choice, seed=1).call, kernel.id, order=order)


def test_every_tile_of_a_depth_gives_the_same_bits() -> None:
    results = []
    for kernel in KERNELS:
        if tile_of(kernel)[2] == 64:
            call = call_of((2, 2, 70, 333, 64))
            run(call, kernel.id)
            results.append(call.outputs["out"].tobytes())
    assert len(results) == 3
    assert len(set(results)) == 1


@by_kernel
@pytest.mark.parametrize("output_type", OUTPUTS)
def test_transactions_are_ideal(kernel: CompanionConfig, output_type: str) -> None:
    """Keys go by twice and values once; where one tile holds all keys each is read once."""
    queries, keys, depth = tile_of(kernel)
    for tiles in (1, 3):
        call = call_of((1, 2, queries, tiles * keys, depth), output_type=output_type)
        report = run(call, kernel.id)
        counts, heads = report["counts"], 2
        expect_ideal(report)
        assert counts["ldmatrix"]["wavefronts"] == counts["ldmatrix"]["ideal"]
        copies = counts["async_copy"]
        assert (copies["sectors"], copies["wavefronts"]) == (copies["ideal"], copies["ideal_wavefronts"])
        assert copies["bytes"] == heads * depth * (queries + keys * (2 * tiles - 1) + keys * tiles)
        steps, blocks = depth // 32, keys // 32
        scores = (2 * tiles - 1) * (keys // 8) * steps
        sums = tiles * blocks * (depth // 8 + 1)
        assert counts["mma"] == heads * queries // 16 * (scores + sums)


def test_lengths_save_the_tiles_beyond_them() -> None:
    kernel = KERNELS[0]
    queries, keys, depth = tile_of(kernel)
    lengths = aligned(np.array([keys, 0, keys + 1], np.int32))
    report = run(call_of((3, 1, queries, 4 * keys, depth), lengths=lengths), kernel.id)
    once, again = keys + (keys + 1), keys  # of the last the first of two tiles goes by twice, of keys alone
    assert report["counts"]["async_copy"]["bytes"] == depth * (3 * queries + 2 * once + again)


def test_slices_of_one_projection_need_no_copy() -> None:
    """Queries, keys and values of [batch, tokens, 3, heads, depth], as one linear layer writes them."""
    packed = aligned(np.random.default_rng(3).integers(-128, 128, (2, 70, 3, 4, 64)).astype(np.int8))
    q, k, v = (packed[:, :, index] for index in range(3))
    assert not q.flags["C_CONTIGUOUS"]
    run(attention_s8(q, k, v, scale=2.0**-13, v_scale=0.02))


@pytest.mark.parametrize("output_type", OUTPUTS)
def test_fused_is_the_products_with_the_softmax_between(output_type: str) -> None:
    """DistilBERT's attention: 12 heads of 64, 128 tokens, two sequences of which one is shorter."""
    batch, heads, tokens, depth = 2, 12, 128, 64
    lengths = aligned(np.array([128, 77], np.int32))
    call = call_of((batch, heads, tokens, tokens, depth), lengths=lengths, output_type=output_type, out_scale=0.02)
    for kernel in KERNELS:
        if tile_of(kernel)[2] == depth:
            run(call, kernel.id)
    apart = by_products(call, output_type)
    assert np.array_equal(apart, call.outputs["out"])


def by_products(call: CompanionCall, output_type: str) -> np.ndarray:
    """The same by three kernels: q k^T, softmax_quantize and the product with v, batched by heads."""
    q, k, v = (call.inputs[name] for name in "qkv")
    batch, tokens, heads, depth = q.shape
    by_head = [aligned(np.moveaxis(x, 2, 1).reshape(batch * heads, -1, depth)) for x in (q, k, v)]
    scores = aligned(np.empty((batch * heads, tokens, tokens), np.int32))
    gemm = next(config.id for config in kernel_configs() if config.family == "gemm_s8")
    _native.emulate_gemm(gemm, by_head[0], by_head[1], scores, output_type="s32")
    codes = aligned(np.empty(scores.shape, np.int8))
    row_scale = aligned(np.empty(scores.shape[:2], np.float32))
    _native.emulate_softmax_quantize(
        configs_of("softmax_quantize")[0].id,
        scores.reshape(-1, tokens),
        codes.reshape(-1, tokens),
        row_scale.reshape(-1),
        scale=call.options["scale"],
        lengths=call.inputs["lengths"],
    )
    values = aligned(np.ascontiguousarray(by_head[2].transpose(0, 2, 1)))
    out = aligned(np.empty((batch * heads, tokens, depth), call.expected["out"].dtype))
    int8 = {"out_scale": aligned(np.array([call.options["out_scale"]], np.float32))} if output_type == "s8" else {}
    _native.emulate_gemm(
        gemm, codes, values, out,
        output_type=output_type,
        row_scale=row_scale,
        col_scale=aligned(np.array([call.options["v_scale"]], np.float32)),
        a_zero=aligned(np.array([-128], np.int32)),
        b_sum=aligned(values.sum(axis=-1, dtype=np.int32)),
        **int8,
    )  # fmt: skip
    return np.moveaxis(out.reshape(batch, heads, tokens, depth), 1, 2)


def test_the_steps_of_the_oracle_are_those_of_its_softmax() -> None:
    """So that the comparison above is of what the specification says, not of two mistakes."""
    call = call_of((1, 2, 3, 40, 64))
    rows = softmax_codes(attention_scores(call.inputs["q"], call.inputs["k"]), 2.0**-13)
    shares = (rows.codes.astype(np.float64) + 128) * rows.row_scale[..., None]
    want = np.einsum("bhqk,bkhd->bqhd", shares, call.inputs["v"].astype(np.float64)) * 0.02
    assert np.allclose(call.expected["out"], want, rtol=2.0**-20, atol=1e-6)


Q = aligned(np.zeros((1, 2, 2, 64), np.int8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": Q.astype(np.uint8)}, "operand 'q' holds uint8 where int8 is needed; quantize it"),
        ({"q": Q[0]}, "operand 'q' has shape \\[2, 2, 64\\]; pass \\[batch, tokens, heads, depth\\]"),
        ({"k": Q[:, :, :1]}, "operand 'k' has shape \\[1, 2, 1, 64\\] where \\[1, 2, 2, 64\\] is needed"),
        ({"v": np.zeros((1, 3, 2, 64), np.int8)}, "operand 'v' has shape \\[1, 3, 2, 64\\] where \\[1, 2, 2, 64\\]"),
        ({"v": Q[..., ::-1]}, "operand 'v' is not contiguous in its last dimension; pass a contiguous copy"),
        ({"out": np.zeros(Q.shape, np.int32)}, "operand 'out' holds int32 where float32 is needed; allocate"),
        ({"out": np.zeros((1, 2, 1, 64), np.float32)}, "operand 'out' has shape .* the output has the shape of q"),
        ({"scale": -1.0}, "scale=-1.0+: scores have a scale that is positive and finite"),
        ({"v_scale": 0.0}, "v_scale=0.0+: scales are positive and finite"),
        ({"out_scale": float("nan")}, "out_scale=-?nan: scales are positive and finite"),
        ({"out_zero": 128}, "out_zero=128: zero points lie in -128..127"),
        ({"lengths": np.zeros(2, np.int32)}, "operand 'lengths' has shape \\[2\\] where \\[1\\] is needed"),
        ({"lengths": np.zeros(1, np.int64)}, "operand 'lengths' holds int64 where int32 is needed"),
        ({"q": shifted(Q)}, "rows of q, k or v do not start on 16 bytes"),
        (dict.fromkeys("qkv", Q[..., :48]) | {"out": np.zeros((1, 2, 2, 48), np.float32)}, "depth 64, not 48"),
    ],
)  # fmt: skip
def test_bad_operands_are_named_in_one_line(change: dict[str, Any], message: str) -> None:
    given = {**dict.fromkeys("qkv", Q), "out": aligned(np.zeros(Q.shape, np.float32)), "scale": 1.0, "v_scale": 1.0}
    with pytest.raises(ValueError, match=message) as error:
        _native.emulate_attention_s8(KERNELS[0].id, **{**given, **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ((1, 1, 1, 65793, 64), None),
        ((1, 1, 1, 65794, 64), "65794 keys exceed 65793, the most whose products with values int32 holds"),
        ((1, 0, 1, 1, 64), "batch, heads, queries and keys must be at least 1"),
        ((2**20, 2**11, 1, 1, 64), "more blocks than 2^31-1; split the batch"),
        ((1, 1, 1, 1, 80), "computes heads of depth 64, not 80; take a kernel of that"),
    ],
)
def test_what_is_illegal_has_a_reason(sizes: tuple[int, ...], reason: str | None) -> None:
    assert _native.attention_illegal_reason(KERNELS[0].id, *sizes) == reason
