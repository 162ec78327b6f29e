"""The hand-written INT8 GEMM on the emulated machine: exact at tile edges, in every order, with every epilogue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gemm_s8 import CONFIGS, IMMA, SHARED, WGMMA, by_config, by_shared, by_wgmma
from running import emulate, expect_exact

from immabench import _native
from immabench.kernels import KernelConfig
from immabench.measure.verify import EPILOGUES, ORDERS, edge_shapes, problem_for
from immabench.numerics import gemm_reference
from immabench.operands import Operands, make_operands, poisoned_output, typed_operands
from immabench.problems import ACTIVATIONS, RESIDUAL_TYPES, Problem
from immabench.providers.buffers import HostBuffers
from immabench.providers.native_launch import EmulatedLaunch


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
