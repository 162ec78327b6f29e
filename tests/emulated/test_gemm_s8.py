"""The hand-written INT8 GEMM on the emulated machine: exact everywhere, ideal in its transactions where aligned."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from running import emulate, expect_exact

from immabench import _native
from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.verify import EPILOGUES, ORDERS, edge_shapes, problem_for
from immabench.numerics import compare_exact, gemm_reference
from immabench.operands import Operands, make_operands, poisoned_output, typed_operands
from immabench.problems import ACTIVATIONS, RESIDUAL_TYPES, Problem
from immabench.providers.base import describe_hazard
from immabench.providers.buffers import HostBuffers
from immabench.providers.native_launch import EmulatedLaunch

CONFIGS = [config for config in kernel_configs() if config.family == "gemm_s8"]
IMMA = [config for config in CONFIGS if config.id.startswith("imma")]
WGMMA = [config for config in CONFIGS if config.id.startswith("wgmma")]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
SHARED = [config for config in IMMA if config.streamed or config.split_k > 1]
WHOLE = [config for config in IMMA if config not in SHARED]
by_imma = pytest.mark.parametrize("config", IMMA, ids=lambda config: config.id)
by_whole = pytest.mark.parametrize("config", WHOLE, ids=lambda config: config.id)
by_shared = pytest.mark.parametrize("config", SHARED, ids=lambda config: config.id)
by_wgmma = pytest.mark.parametrize("config", WGMMA, ids=lambda config: config.id)


OUTPUT_BYTES = {"s32": 4, "s8": 1, "f32": 4, "f16": 2, "bf16": 2}


def scaled(m: int, n: int, k: int, output_type: str) -> Problem:
    """With all that reads no more than vectors: scales and bias, of int8 outputs their own."""
    if output_type == "s32":
        return Problem(m, n, k)
    quantized = {"out_scale": "vector", "out_zero": True} if output_type == "s8" else {}
    return Problem(m, n, k, output_type=output_type, row_scale="vector", col_scale="vector", bias=True, **quantized)


def test_the_table_covers_small_to_large_tiles() -> None:
    tiles = {config.block_tile[:2] for config in IMMA}
    assert len(IMMA) >= 8
    assert {(16, 64), (48, 128), (128, 256)} <= tiles
    assert {config.stages for config in IMMA} == {2, 3, 4, 5}
    assert {config.split_k for config in SHARED} == {1, 2, 4}
    assert {config.streamed for config in SHARED} == {False, True}


def test_the_table_covers_every_policy_of_wgmma() -> None:
    assert {config.block_tile[:2] for config in WGMMA} >= {(8, 128), (64, 128), (128, 256), (256, 128)}
    assert {max(config.warps) for config in WGMMA} == {1, 2, 3}
    assert {config.cluster for config in WGMMA} >= {(1, 1), (2, 1), (1, 2)}
    assert {config.split_k for config in WGMMA} >= {1, 2, 4}
    assert {config.swapped for config in WGMMA} == {False, True}
    assert {architecture for config in WGMMA for architecture in config.architectures} == {"sm_90a"}


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for m, n, k in edge_shapes(config):
        for order in ORDERS:
            expect_exact(config, Problem(m, n, k), order=order)


@by_config
@pytest.mark.parametrize("output_type", EPILOGUES)
def test_exact_with_every_epilogue(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    for width in (n, n + 4, n + 3):  # whole vectors, a ragged tile of them, single elements
        expect_exact(config, problem_for(config, (m + 1, width, k + 16), output_type))


@pytest.mark.parametrize("row_scale", ["none", "tensor", "vector"])
@pytest.mark.parametrize("col_scale", ["none", "tensor", "vector"])
@pytest.mark.parametrize("bias", [False, True])
def test_exact_with_every_combination_of_scales(row_scale: str, col_scale: str, bias: bool) -> None:
    for output_type in ("f32", "f16", "bf16"):
        problem = Problem(50, 72, 80, output_type=output_type, row_scale=row_scale, col_scale=col_scale, bias=bias)
        expect_exact(CONFIGS[4], problem)


@pytest.mark.parametrize("residual", RESIDUAL_TYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output_type", ["s8", "f16"])
def test_exact_with_every_residual_and_activation(residual: str, activation: str, output_type: str) -> None:
    quantized = {"out_scale": "tensor", "out_zero": True} if output_type == "s8" else {}
    for config, width in ((CONFIGS[4], 72), (CONFIGS[4], 73), (WGMMA[6], 144), (WGMMA[6], 73), (WGMMA[0], 73)):
        problem = Problem(50, width, 80, output_type=output_type, residual=residual, activation=activation, **quantized)
        expect_exact(config, replace(problem, row_scale="tensor", col_scale="vector"))


@pytest.mark.parametrize("config", [CONFIGS[4], WGMMA[0], WGMMA[6]], ids=lambda config: config.id)
@pytest.mark.parametrize("a_zero", ["tensor", "vector"])
def test_exact_with_a_zero_point_of_the_activations(config: KernelConfig, a_zero: str) -> None:
    for output_type in ("s32", "bf16"):
        expect_exact(config, Problem(50, 72, 80, output_type=output_type, a_zero=a_zero))


@by_whole
@pytest.mark.parametrize("output_type", ["s32", "s8", "f32", "f16", "bf16"])
def test_aligned_shapes_move_no_byte_twice(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, scaled(2 * m, 2 * n, 4 * k, output_type))["counts"]
    assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 32)
    for name in ("ldmatrix", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["async_copy"]["wavefronts"] == counts["async_copy"]["ideal_wavefronts"] > 0
    assert counts["async_copy"]["bytes"] == 4 * (m + n) * 4 * k  # four blocks, each with its rows of A and of B
    for name in ("global_load", "async_copy"):
        assert counts[name]["sectors"] == counts[name]["ideal"], name
    # A warp writes its own columns of a row: where those are fewer than a sector holds, two warps share one.
    warps_a_sector = max(1, 32 // (config.warp_tile[1] * OUTPUT_BYTES[output_type]))
    assert counts["global_store"]["sectors"] == warps_a_sector * counts["global_store"]["ideal"]
    assert counts["global_store"]["bytes"] == 4 * m * n * OUTPUT_BYTES[output_type]


@by_wgmma
@pytest.mark.parametrize("output_type", ["s32", "s8", "f32", "f16", "bf16"])
def test_wgmma_reads_and_multiplies_at_the_ideal(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    rows, columns, depth = 2 * m, 2 * n, 4 * k
    problem = scaled(rows, columns, depth, output_type)
    report = expect_exact(config, problem)
    counts = report["counts"]
    assert report["macs"] == problem.macs
    assert counts["mma"] == counts["ldmatrix"]["requests"] == counts["async_copy"]["requests"] == 0
    assert counts["wgmma_operands"]["wavefronts"] == counts["wgmma_operands"]["ideal"] > 0
    assert counts["bulk_load"]["sectors"] == counts["bulk_load"]["ideal"]
    # Four tiles; a cluster fetches what its blocks share once.
    share_m, share_n = config.cluster
    assert counts["bulk_load"]["bytes"] == 4 * (m // share_n + n // share_m) * depth
    output_bytes = rows * columns * OUTPUT_BYTES[output_type]
    gathers = config.swapped or config.split_k > 1
    by_threads = gathers or output_type == "s8"
    stored = counts["global_store" if by_threads else "bulk_store"]
    assert (stored["bytes"], stored["sectors"]) == (output_bytes, stored["ideal"])
    assert counts["bulk_store" if by_threads else "global_store"]["requests"] == 0


@by_wgmma
def test_wgmma_boxes_of_16_bit_outputs_are_written_without_conflicts(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, Problem(m, n, k, output_type="f16"))["counts"]
    assert counts["shared_store"]["wavefronts"] == counts["shared_store"]["ideal"] > 0
    assert counts["shared_load"]["wavefronts"] == counts["shared_load"]["ideal"]


@by_wgmma
@pytest.mark.parametrize("multiprocessors", [1, 3, 132])
def test_wgmma_is_exact_however_many_blocks_go_from_tile_to_tile(config: KernelConfig, multiprocessors: int) -> None:
    m, n, k = config.block_tile
    problem = Problem(2 * m + 1, 3 * n + 8, 3 * k + 16, output_type="f16", row_scale="vector", bias=True)
    for order in ORDERS:
        expect_exact(config, problem, order=order, multiprocessors=multiprocessors)


@by_shared
@pytest.mark.parametrize("multiprocessors", [1, 3, 132])
def test_shared_tiles_are_exact_however_many_blocks_share_them(config: KernelConfig, multiprocessors: int) -> None:
    m, n, k = config.block_tile
    for depth in (k, 3 * k + 16, 7 * k):
        problem = Problem(m + 1, 2 * n + 8, depth, output_type="f16", row_scale="vector", bias=True)
        for order in ORDERS:
            expect_exact(config, problem, order=order, multiprocessors=multiprocessors)


@by_shared
@pytest.mark.parametrize("batch", [1, 3])
def test_a_launch_leaves_its_workspace_as_the_next_needs_it(config: KernelConfig, batch: int) -> None:
    m, n, k = config.block_tile
    problem = Problem(m, 2 * n, 9 * k // batch, batch=batch)
    buffers = HostBuffers(problem, make_operands(problem), "emulated")
    launch = EmulatedLaunch(config.id, buffers, multiprocessors=5)
    want = gemm_reference(problem, typed_operands(problem, make_operands(problem)))
    for _ in range(3):
        buffers.poison()
        launch.launch()
        assert (buffers.out == want).all()


@by_shared
def test_parts_of_sums_move_in_whole_lines(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, Problem(m, n, 8 * k), multiprocessors=132)["counts"]
    for name in ("global_load", "global_store"):
        assert counts[name]["sectors"] == counts[name]["ideal"] > 0, name
    assert counts["global_atomic"]["requests"] > 0


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


def test_a_batch_moves_what_its_products_move() -> None:
    config = CONFIGS[4]
    m, n, k = config.block_tile
    one, three = (expect_exact(config, Problem(m, n, 4 * k, batch=batch))["counts"] for batch in (1, 3))
    assert three["mma"] == 3 * one["mma"]
    for name, unit in (("async_copy", "sectors"), ("global_store", "sectors"), ("ldmatrix", "wavefronts")):
        assert three[name][unit] == 3 * one[name][unit] == three[name]["ideal"]


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


def test_a_workspace_too_small_is_named() -> None:
    config, out = SHARED[0], np.zeros((4, 8), np.int32)
    a, b = np.ones((4, 1024), np.int8), np.ones((8, 1024), np.int8)
    with pytest.raises(ValueError, match=r"needs a 'workspace' of \d+ bytes; pass workspace_bytes"):
        _native.emulate_gemm(config.id, a, b, out, output_type="s32")
    with pytest.raises(ValueError, match=r"operand 'workspace' is not \d+ bytes on a multiple of 16"):
        _native.emulate_gemm(config.id, a, b, out, output_type="s32", workspace=np.zeros(16, np.uint8))


def test_the_extremes_of_int8_do_not_overflow() -> None:
    """The longest K with the most negative product: exactly 2^31 - 2^14, the largest sum there is."""
    problem = Problem(1, 1, 131071)
    operands = Operands(np.full((1, problem.k), -128, np.int8), np.full((1, problem.k), -128, np.int8))
    out, report = emulate(CONFIGS[0], problem, operands, check=False)
    assert report["hazard_total"] == 0
    assert out[0, 0] == 131071 * 2**14


def test_the_report_does_not_depend_on_the_number_of_threads() -> None:
    config, problem = CONFIGS[8], Problem(300, 520, 192, output_type="f16", row_scale="vector")
    operands = make_operands(problem)
    (out_1, one), (out_2, two) = (emulate(config, problem, operands, threads=threads) for threads in (1, 2))
    one.pop("seconds"), two.pop("seconds")
    assert one == two
    assert (out_1.view(np.uint16) == out_2.view(np.uint16)).all()


def test_unaligned_addresses_take_the_ragged_path() -> None:
    """K is a multiple of 16, but the operands start in the middle of a chunk."""
    problem = Problem(40, 48, 64)
    operands = make_operands(problem)
    shifted = np.empty(operands.a.nbytes + 1, np.int8)[1:].reshape(operands.a.shape)
    shifted[...] = operands.a
    out = poisoned_output(problem)
    report = _native.emulate_gemm(CONFIGS[4].id, shifted, operands.b, out, output_type="s32")
    assert report["hazards"] == []
    assert report["counts"]["async_copy"]["requests"] == 0
    assert (out == gemm_reference(problem, operands)).all()


A = np.ones((4, 16), np.int8)
B = np.ones((8, 16), np.int8)
OUT = np.zeros((4, 8), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": A.astype(np.int16)}, "operand 'a' holds an unsupported type where int8 is needed"),
        ({"a": A.astype(np.float32)}, "operand 'a' holds float32 where int8 is needed"),
        ({"a": np.ones((16, 4), np.int8).T}, "operand 'a' is not contiguous"),
        ({"a": np.ones(16, np.int8)}, "operand 'a' has shape \\[16\\]; pass a matrix"),
        ({"a": np.ones((0, 16), np.int8)}, "M, N and K run from 1"),
        ({"a": [[1]]}, "operand 'a' is a list; pass a torch tensor"),
        ({"b": np.ones((8, 32), np.int8)}, "operand 'b' has shape \\[8, 32\\] where \\[8, 16\\] is needed"),
        ({"out": OUT.T.copy()}, "operand 'out' has shape \\[8, 4\\] where \\[4, 8\\]"),
        ({"out": OUT.astype(np.float16)}, "operand 'out' holds float16 where float32"),
        ({"output_type": "f64"}, "output type 'f64' is unknown"),
        (
            {"output_type": "s32", "out": OUT.astype(np.int32), "bias": np.ones(8, np.float32)},
            "'bias' is given for int32",
        ),
        ({"row_scale": np.ones(3, np.float32)}, "operand 'row_scale' has shape \\[3\\] where \\[4\\]"),
        ({"col_scale": np.ones(8)}, "operand 'col_scale' holds an unsupported type where float32"),
        ({"col_scale": np.full(8, np.nan, np.float32)}, "operand 'col_scale' holds -?nan at index 0"),
        ({"row_scale": np.array([-1], np.float32)}, "operand 'row_scale' holds -1.0"),
        ({"row_scale": np.array([0], np.float32)}, "scales are positive and finite"),
        ({"row_scale": np.array([np.inf], np.float32)}, "scales are positive and finite"),
        ({"bias": np.array([0, 1, 2, np.inf, 0, 0, 0, 0], np.float32)}, "operand 'bias' holds inf at index 3"),
        ({"bias": np.full(33, 0, np.uint8)[1:].view(np.float32)}, "operand 'bias' starts at an address"),
        ({"activation": "swish"}, "activation 'swish' is unknown; take none, relu or gelu"),
        ({"a_zero": np.zeros(4, np.int32)}, "'a_zero' and 'b_sum' correct the sums together"),
        (
            {"a_zero": np.full(4, 128, np.int32), "b_sum": np.zeros(8, np.int32)},
            "operand 'a_zero' holds 128 at index 0",
        ),
        ({"residual": np.zeros((4, 8), np.int32)}, "operand 'residual' holds int32 where float32 is needed"),
        ({"residual": np.zeros((8, 4), np.float32)}, "operand 'residual' has shape \\[8, 4\\]"),
        ({"residual": np.zeros((4, 8), np.int8)}, "operand 'residual' is int8 and has no scale"),
        ({"residual_scale": np.ones(1, np.float32)}, "operand 'residual_scale' is given without an int8 residual"),
        ({"out_scale": np.ones(8, np.float32)}, "operand 'out_scale' is given without int8 output"),
        ({"output_type": "s8", "out": OUT.astype(np.int8)}, "int8 output needs 'out_scale'"),
        ({"group_affine": np.ones((1, 16), np.uint16)}, "takes no 'group_affine'; leave it out"),
        ({"group": 16}, "has no scales a group of K"),
        ({"order": "sideways"}, "order 'sideways' is unknown"),
        ({"a": np.ones((4, 131072), np.int8), "b": np.ones((8, 131072), np.int8)}, "K=131072 exceeds 131071"),
    ],
)
def test_bad_operands_are_named_in_one_line(change: dict, message: str) -> None:
    call = {"a": A, "b": B, "out": OUT.copy(), "output_type": "f32", **change}
    with pytest.raises(ValueError, match=message) as error:
        _native.emulate_gemm(CONFIGS[0].id, **call)
    assert "\n" not in str(error.value)


A3, B3, OUT3 = (np.ones((3, *matrix.shape), matrix.dtype) for matrix in (A, B, OUT))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": A3[None]}, "operand 'a' has shape \\[1, 3, 4, 16\\]; pass a matrix \\[M, K\\], or a batch"),
        ({"b": B}, "operand 'b' has shape \\[8, 16\\]; pass a matrix for each of A, \\[batch, N, K\\]"),
        (
            {"b": B3[:2]},
            "operand 'b' has shape \\[2, 8, 16\\] where \\[3, 8, 16\\] is needed; .* and the batch",
        ),
        ({"out": OUT}, "operand 'out' has shape \\[4, 8\\]; the output of a batch is \\[batch, M, N\\]"),
        ({"out": OUT3[:2].copy()}, "operand 'out' has shape \\[2, 4, 8\\] where \\[3, 4, 8\\]"),
        ({"a": A, "out": OUT}, "operand 'b' has shape \\[3, 8, 16\\]; pass a matrix \\[N, K\\]"),
        ({"a": A3[:0]}, "M, N and K run from 1 to 2\\^31-1, a batch too"),
        ({"row_scale": np.ones(4, np.float32)}, "operand 'row_scale' has shape \\[4\\] where \\[3, 4\\]"),
        ({"col_scale": np.ones(8, np.float32)}, "operand 'col_scale' has shape \\[8\\] where \\[3, 8\\]"),
        ({"bias": np.ones(8, np.float32)}, "operand 'bias' has shape \\[8\\] where \\[3, 8\\]"),
        ({"residual": OUT}, "operand 'residual' has shape \\[4, 8\\] where \\[3, 4, 8\\]"),
        ({"kernel": WGMMA[0]}, "computes one product, not a batch of them"),
    ],
)
def test_bad_batches_are_named_in_one_line(change: dict, message: str) -> None:
    call = {"a": A3, "b": B3, "out": OUT3.copy(), "output_type": "f32", "kernel": CONFIGS[0], **change}
    with pytest.raises(ValueError, match=message) as error:
        _native.emulate_gemm(call.pop("kernel").id, **call)
    assert "\n" not in str(error.value)


def test_a_batch_of_one_may_keep_its_dimension() -> None:
    for config in (CONFIGS[0], WGMMA[0]):
        out = np.zeros((1, 4, 8), np.float32)
        _native.emulate_gemm(config.id, A3[:1], B3[:1], out, output_type="f32", bias=np.full((1, 8), 2, np.float32))
        assert (out == 18).all()


def test_operands_a_gemm_does_not_have_are_type_errors() -> None:
    with pytest.raises(TypeError, match="a GEMM has no operand 'scale'"):
        _native.emulate_gemm(CONFIGS[0].id, A, B, OUT.copy(), output_type="f32", scale=A)


def test_hazards_reach_the_verdict_in_one_line() -> None:
    """The kernel has none to show, so the operands make one: the output lies in the memory of an input."""
    memory = np.ones(4 * 8 * 4, np.int8)
    out = memory.view(np.int32).reshape(4, 8)
    report = _native.emulate_gemm(CONFIGS[0].id, memory[:64].reshape(4, 16), B, out, output_type="s32")
    assert report["hazard_total"] > 0
    hazard = report["hazards"][0]
    assert (hazard["kind"], hazard["block"]) == ("global-out-of-bounds", 0)
    assert re.fullmatch(
        r"global-out-of-bounds at kernels/parts/epilogue\.cuh:\d+, block 0, thread \d+: store of \d+ global bytes .*",
        describe_hazard(hazard),
    )


def test_unknown_kernels_are_key_errors() -> None:
    with pytest.raises(KeyError, match="no kernel 'imma'"):
        _native.emulate_gemm("imma", A, B, OUT, output_type="f32")


def test_launching_without_a_gpu_tensor_says_so() -> None:
    with pytest.raises(ValueError, match="operand 'a' is on the CPU"):
        _native.launch_gemm(CONFIGS[0].id, A, B, OUT.copy(), output_type="f32")


def test_torch_tensors_are_taken_without_a_copy() -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    problem = Problem(20, 24, 48, output_type="bf16", col_scale="vector")
    operands = make_operands(problem)
    out = torch.zeros(20, 24, dtype=torch.bfloat16)
    _native.emulate_gemm(
        CONFIGS[0].id,
        torch.from_numpy(operands.a),
        torch.from_numpy(operands.b),
        out,
        output_type="bf16",
        col_scale=torch.from_numpy(operands.col_scale),
    )
    got = out.view(torch.int16).numpy().view(np.uint16)
    assert compare_exact(problem, got, gemm_reference(problem, operands)).exact
