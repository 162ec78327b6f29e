"""The INT8 convolution by wgmma: exact on every geometry that a tensor map describes, ideal in its transactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import emulate, expect_exact

from immabench import _native
from immabench.convolution import parse_convolution
from immabench.kernels import KernelConfig, convolution_sizes, illegal_reason, kernel_configs
from immabench.measure.verify import EPILOGUES, ORDERS, convolution_for
from immabench.numerics import gemm_reference
from immabench.operands import make_operands
from immabench.problems import RESIDUAL_TYPES, Problem, conv_problem

CONFIGS = [config for config in kernel_configs() if config.id.startswith("wgmma_conv_s8s8")]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)

GEOMETRIES = (
    "1x9x8x64_f3_p1",
    "2x6x7x128_f1",
    "2x8x7x80_f1_s2",
    "2x9x8x64_f3_s2_p1",
    "1x19x17x16_f7_s2_p3",
    "1x10x11x48_f3_p2_d2",
    "1x5x6x192_f3_p1",
    "17x3x2x32_f2_p1",  # many images in one tile
    "40x1x1x16_f1",
    "3x7x9x144_f2x3_s3x2_p1x0_d1x3",
    "1x17x33x16_f1_s8",
    "1x4x4x16_f3_s5_p2",
)


def padded_k_tiles(config: KernelConfig, problem: Problem) -> int:
    """Steps of a line of channels, tap by tap."""
    assert problem.convolution is not None
    taps = problem.convolution.filter[0] * problem.convolution.filter[1]
    return taps * -(-problem.convolution.channels // config.block_tile[2])


def test_the_table_covers_first_to_last_layers() -> None:
    assert {config.block_tile[:2] for config in CONFIGS} >= {(64, 64), (128, 64), (128, 128), (128, 256)}
    assert {config.split_k for config in CONFIGS} == {1, 4, 8}
    assert {config.cluster for config in CONFIGS} == {(1, 1), (2, 1)}
    assert {config.swapped for config in CONFIGS} == {False}
    assert {architecture for config in CONFIGS for architecture in config.architectures} == {"sm_90a"}


@by_config
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_exact_on_every_geometry_in_every_order(config: KernelConfig, geometry: str) -> None:
    for order in ORDERS:
        expect_exact(config, conv_problem(geometry, 70), order=order)


@by_config
def test_exact_on_the_edges_of_the_tile(config: KernelConfig) -> None:
    """M one less, as many as, and one more than a tile of pixels; the same of filters."""
    m, n, _ = config.block_tile
    for pixels in (m - 1, m, m + 1, 5 * m // 2):
        for filters in (1, n - 1, n, n + 1):
            expect_exact(config, conv_problem(f"1x1x{pixels}x32_f1", filters))
            expect_exact(config, conv_problem(f"{pixels}x2x3x16_f2x3", filters, output_type="f16"))


@by_config
@pytest.mark.parametrize("output_type", EPILOGUES)
def test_exact_with_every_epilogue(config: KernelConfig, output_type: str) -> None:
    for filters in (64, 68, 67):  # whole vectors, a ragged tile of them, single elements
        problem = conv_problem("2x9x8x80_f3_s2_p1", filters, output_type=output_type, **EPILOGUES[output_type])
        for order in ORDERS:
            expect_exact(config, problem, order=order)


@by_config
@pytest.mark.parametrize("residual", RESIDUAL_TYPES)
def test_exact_with_every_residual(config: KernelConfig, residual: str) -> None:
    quantized = {"output_type": "s8", "out_scale": "tensor", "out_zero": True, "residual": residual}
    expect_exact(
        config, conv_problem("1x9x8x64_f3_p1", 72, col_scale="vector", bias=True, activation="relu", **quantized)
    )


@by_config
@pytest.mark.parametrize("output_type", ["s32", "bf16"])
def test_exact_with_a_zero_point_where_nothing_is_padded(config: KernelConfig, output_type: str) -> None:
    """Channels that fill up a box are zeros of the filters, so that the zero point of A does not count there."""
    expect_exact(config, conv_problem("2x9x8x80_f3_s2", 70, output_type=output_type, a_zero="tensor"))


@by_config
@pytest.mark.parametrize("multiprocessors", [1, 3, 132])
def test_exact_however_many_blocks_go_from_tile_to_tile(config: KernelConfig, multiprocessors: int) -> None:
    m, n, _ = config.block_tile
    problem = conv_problem(f"3x7x{m // 7}x144_f3_p1", 2 * n + 8, output_type="f16", col_scale="vector", bias=True)
    for order in ORDERS:
        expect_exact(config, problem, order=order, multiprocessors=multiprocessors)


@by_config
def test_reads_and_multiplies_at_the_ideal(config: KernelConfig) -> None:
    m, n, _ = config.block_tile
    problem = conv_problem(f"2x8x{m // 8}x256_f3_p1", 2 * n)
    counts = expect_exact(config, problem)["counts"]
    assert counts["mma"] == counts["ldmatrix"]["requests"] == counts["async_copy"]["requests"] == 0
    assert counts["wgmma_operands"]["wavefronts"] == counts["wgmma_operands"]["ideal"] > 0
    assert counts["bulk_load"]["sectors"] == counts["bulk_load"]["ideal"]
    # Two tiles of pixels by two of filters, which a cluster fetches once for both; and one request a box.
    geometry = parse_convolution(problem.conv)
    inside = sum(
        (geometry.height - abs(dy)) * (geometry.width - abs(dx)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    )  # pixels that each tap meets in an image
    filters = 2 * n * geometry.k * 2 // config.cluster[0]
    assert counts["bulk_load"]["bytes"] == 2 * geometry.images * inside * geometry.channels + filters
    assert counts["bulk_load"]["requests"] == 4 * 2 * padded_k_tiles(config, problem)


@by_config
def test_padding_costs_no_bytes(config: KernelConfig) -> None:
    """Of 64 channels half a box is outside of the tensor, and is not fetched."""
    m, n, _ = config.block_tile
    problem = conv_problem(f"1x1x{m}x64_f1", n)
    counts = expect_exact(config, problem)["counts"]
    assert counts["bulk_load"]["bytes"] == (m + n) * 64


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (
            "1x9x9x20_f3_p1",
            "channels=20 is no multiple of 16, pixels have no whole 16 bytes; pad the channels, or take",
        ),
        ("1x99x99x16_f3_s9", "a traversal stride is from 1 to 8; take a kernel by mma.sync"),
        ("1x299x9x16_f2x1_p129x0_d150x1", "a corner of the im2col window is out of range"),
        ("1x299x9x16_f2x1_d150x1", "a corner of the im2col window is out of range"),
        ("1x9x299x16_f1x3_p0x128_d1x128", "a tap is up to 255 pixels from the first"),
    ],
)
def test_what_no_tensor_map_describes_is_refused(geometry: str, message: str) -> None:
    reason = illegal_reason(CONFIGS[0], conv_problem(geometry, 8))
    assert reason is not None
    assert message in reason
    assert "mma.sync (imma_conv)" in reason


@pytest.mark.parametrize("geometry", ["1x9x99x16_f1x2_p0x128_d1x255", "1x200x3x16_f2x1_d128x1", "1x17x17x16_f2_s8"])
def test_the_largest_that_a_tensor_map_describes(geometry: str) -> None:
    expect_exact(CONFIGS[0], conv_problem(geometry, 8))


def test_padding_by_another_number_than_zero_is_refused() -> None:
    reason = illegal_reason(CONFIGS[0], conv_problem("1x9x9x16_f3_p1", 8, a_zero="tensor"))
    assert reason == (
        "pads images with 0, and not with the zero point of A; quantize A symmetrically, or take a kernel by mma.sync "
        "(imma_conv)"
    )


def test_what_is_padded_is_verified_without_a_zero_point() -> None:
    padded, bare = (convolution_for(CONFIGS[0], name, 8, "s32") for name in ("1x6x6x32_f3_p1", "1x6x6x32_f3"))
    assert (padded.a_zero, bare.a_zero) == ("none", "tensor")
    assert convolution_for(CONFIGS[0], "1x6x6x32_f3_p1", 8, "s32", {"a_zero": "tensor"}).a_zero == "tensor"


def call_with(image: np.ndarray, filters: np.ndarray) -> dict[str, Any]:
    problem = conv_problem("1x4x4x16_f1", 8)
    sizes = convolution_sizes(problem)
    out = np.zeros((problem.m, problem.n), np.int32)
    report: dict[str, Any] = _native.emulate_gemm(
        CONFIGS[0].id, image, filters, out, output_type="s32", convolution=sizes
    )
    return report


@pytest.mark.parametrize("shifted", ["image", "filters"])
def test_operands_off_16_bytes_are_refused(shifted: str) -> None:
    sizes = {"image": (1, 4, 4, 16), "filters": (8, 16)}
    operands = {}
    for name, shape in sizes.items():
        memory = np.ones(np.prod(shape) + 32, np.int8)
        start = -memory.ctypes.data % 16 + (name == shifted)
        operands[name] = memory[start : start + np.prod(shape)].reshape(shape)
    with pytest.raises(ValueError, match="address that is no multiple of 16 bytes; pass copies, or take"):
        call_with(**operands)


def test_the_longest_filter_does_not_overflow() -> None:
    problem = conv_problem("1x1x1x131056_f1", 1)
    operands = make_operands(problem)
    operands.a[...] = operands.b[...] = -128
    out, report = emulate(CONFIGS[0], problem, operands, check=False)
    assert report["hazard_total"] == 0
    assert (out == gemm_reference(problem, operands)).all()
    assert out[0, 0] == 131056 * 2**14
