"""The convolutions by mma.sync on the emulated machine: exact for every geometry, no waste where pixels are aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import emulate, expect_exact

from immabench import _native
from immabench.kernels import KernelConfig, convolution_sizes, illegal_reason, kernel_configs
from immabench.measure.edges import edge_convolutions
from immabench.measure.verify import EPILOGUES, ORDERS
from immabench.operands import make_operands
from immabench.problems import Problem, conv_problem

CONFIGS = [config for config in kernel_configs() if config.family.startswith("conv2d") and "imma" in config.id]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
S8 = next(config for config in CONFIGS if config.family == "conv2d_s8")
STREAMED = [config for config in CONFIGS if config.streamed]


def problem_of(config: KernelConfig, name: str, filters: int, **others: Any) -> Problem:
    """A convolution with weights of the types of `config`."""
    groups = {} if config.group_scale == "none" else {"b_group": 32, "b_scale": config.group_scale}
    return conv_problem(name, filters, b_type=config.operand_types["b"], **groups, **others)


def test_tables_cover_few_pixels_and_many() -> None:
    for family in ("conv2d_s8", "conv2d_w4a8"):
        configs = [config for config in CONFIGS if config.family == family]
        assert {config.block_tile[0] for config in configs} >= {64, 128}
        assert {config.streamed for config in configs} == {False, True}
    assert all({"sm_80", "sm_90a"} <= set(config.architectures) for config in CONFIGS)


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for name, filters in edge_convolutions(config):
        for order in ORDERS:
            expect_exact(config, problem_of(config, name, filters), order=order)


@by_config
@pytest.mark.parametrize("output_type", EPILOGUES)
def test_exact_with_every_epilogue(config: KernelConfig, output_type: str) -> None:
    for filters in (64, 68, 67):  # whole vectors, a ragged tile of them, single elements
        epilogue = {"output_type": output_type, **EPILOGUES[output_type]}
        expect_exact(config, problem_of(config, "2x7x9x32_f3_s2_p1", filters, **epilogue))


@by_config
@pytest.mark.parametrize("name", ["1x6x5x32_f3_p1", "2x5x6x32_f3x2_s2_p1x0"])
def test_what_surrounds_an_image_is_its_zero_point(config: KernelConfig, name: str) -> None:
    expect_exact(config, problem_of(config, name, 24, a_zero="tensor"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 8, 12, 20])
def test_any_number_of_channels(channels: int) -> None:
    for zero in ("none", "tensor"):
        expect_exact(S8, conv_problem(f"1x9x8x{channels}_f3_s2_p1", 20, a_zero=zero))


def test_operands_come_once_and_without_conflicts() -> None:
    """A tap's channels are whole sectors, and every copied chunk is one wavefront's eighth."""
    for config in CONFIGS:
        m, n, k = config.block_tile
        problem = problem_of(config, f"1x1x{2 * m + 2}x{k}_f1x3", 2 * n, output_type="f16")
        _, report = emulate(config, problem, make_operands(problem), multiprocessors=132)
        counts = report["counts"]
        for operation in ("ldmatrix", "shared_load", "shared_store"):
            assert counts[operation]["wavefronts"] == counts[operation]["ideal"], (config.id, operation)
        copies = counts["async_copy"]
        assert copies["wavefronts"] == copies["ideal_wavefronts"], config.id
        assert copies["sectors"] == copies["ideal"], config.id
        assert counts["global_store"]["sectors"] == counts["global_store"]["ideal"], config.id


def test_taps_outside_of_the_image_are_not_fetched() -> None:
    """Of a 3x3 filter on one pixel one tap is there; the other eight cost no traffic."""
    (padded, alone), traffic = (conv_problem(f"1x1x1x64_{taps}", 64) for taps in ("f3_p1", "f1")), []
    for problem in (padded, alone):
        _, report = emulate(S8, problem, make_operands(problem))
        traffic.append(report["counts"]["async_copy"]["bytes"])
    weights = 64 * 64
    assert traffic[0] - traffic[1] == 8 * weights


def test_what_a_kernel_cannot_convolve_is_refused_in_a_line() -> None:
    gemm = next(config for config in kernel_configs() if config.family == "gemm_s8")
    packed = next(config for config in CONFIGS if config.family == "conv2d_w4a8" and config.group_scale == "none")
    image = conv_problem("1x8x8x16_f3_p1", 16)
    assert illegal_reason(gemm, image) == "computes gemm_s8, not conv2d_s8"
    assert illegal_reason(S8, Problem(64, 16, 144)) == "computes conv2d_s8, not gemm_s8"
    few = conv_problem("1x8x8x4_f3_p1", 16, b_type="s4")
    assert illegal_reason(packed, few) == (
        "channels=4 is no multiple of 16, pixels have no whole 16 bytes; pad the channels"
    )


def call(problem: Problem, **changes: Any) -> None:
    operands = make_operands(problem)
    out = np.zeros((problem.m, problem.n), np.int32)
    arguments = {"a": operands.a, "b": operands.b, "out": out, "convolution": convolution_sizes(problem), **changes}
    a, b, out = (arguments.pop(name) for name in ("a", "b", "out"))
    _native.emulate_gemm(S8.id, a, b, out, output_type="s32", **arguments)


def test_wrong_operands_are_one_line() -> None:
    problem = conv_problem("1x6x6x16_f3_p1", 16)
    sizes = convolution_sizes(problem)
    assert sizes is not None
    call(problem)
    with pytest.raises(ValueError, match=r"'a' has shape \[36, 144\] where \[1, 6, 6, 16\] is needed; pass the image"):
        call(problem, a=np.zeros((36, 144), np.int8))
    with pytest.raises(ValueError, match="convolves; pass 'convolution'"):
        call(problem, convolution=None)
    with pytest.raises(ValueError, match="no 'channels'; pass all sizes"):
        call(problem, convolution={name: size for name, size in sizes.items() if name != "channels"})
    with pytest.raises(ValueError, match="stride_width=0; at least 1"):
        call(problem, convolution={**sizes, "stride_width": 0})
    with pytest.raises(ValueError, match="larger than the padded image"):
        call(problem, convolution={**sizes, "filter_height": 9, "padding_height": 0})
    with pytest.raises(ValueError, match=r"'b' has shape \[16, 100\] where \[16, 144\] is needed"):
        call(problem, b=np.zeros((16, 100), np.int8))
    zeros, sums = np.zeros(36, np.int32), np.zeros(16, np.int32)
    with pytest.raises(ValueError, match=r"'a_zero' has shape \[36\] where \[1\] is needed; pass one value"):
        call(problem, a_zero=zeros, b_sum=sums)
