"""Convolutions with 4-bit weights by wgmma: bit for bit the oracle, in every order, at the ideal of memory."""

from __future__ import annotations

from typing import Any

import pytest
from running import expect_exact

from immabench.kernels import KernelConfig, illegal_reason, kernel_configs
from immabench.measure.verify import EPILOGUES, ORDERS
from immabench.problems import Problem, conv_problem

CONFIGS = [config for config in kernel_configs() if config.id.startswith(("wgmma_conv_s8s4", "wgmma_conv_s8u4"))]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)


def stated(config: KernelConfig, geometry: str, filters: int, group: int = 32, **others: Any) -> Problem:
    """A problem with the weights that `config` takes."""
    if config.operand_types["b"] == "u4":
        others = {"b_type": "u4", "b_group": group, "b_scale": "step", **others}
    return conv_problem(geometry, filters, **{"b_type": "s4", **others})


def test_there_is_a_tile_for_few_pixels_and_for_many_of_either_weights() -> None:
    sizes = {kind: sorted(c.block_tile[0] for c in CONFIGS if c.operand_types["b"] == kind) for kind in ("s4", "u4")}
    assert sizes == {"s4": [48, 128, 256], "u4": [48, 128, 256]}


@by_config
def test_exact_on_the_edges_of_the_tile(config: KernelConfig) -> None:
    m, n, _ = config.block_tile
    for pixels in (m - 1, m, m + 1, 5 * m // 2):
        for filters in (1, n - 1, n + 1):
            expect_exact(config, stated(config, f"1x1x{pixels}x64_f1", filters))
            expect_exact(config, stated(config, f"{-(-pixels // 4)}x2x3x64_f2", filters, output_type="f16"))


@by_config
@pytest.mark.parametrize("channels", [64, 128, 192])
@pytest.mark.parametrize("taps", ["f1", "f3_s2_p1", "f2x3_p1x0_d2x3"])
def test_exact_wherever_a_stage_ends_a_tap(config: KernelConfig, channels: int, taps: str) -> None:
    """A stage is 128 channels: half a tap, a tap, two taps, or the last one and what is past it."""
    for order in ORDERS:
        expect_exact(config, stated(config, f"2x9x8x{channels}_{taps}", 72), order=order)


@by_config
@pytest.mark.parametrize("output_type", EPILOGUES)
def test_exact_with_every_epilogue(config: KernelConfig, output_type: str) -> None:
    for filters in (64, 67):
        options = {"output_type": output_type, **EPILOGUES[output_type]}
        expect_exact(config, stated(config, "2x9x8x64_f3_p1", filters, **options))


@by_config
@pytest.mark.parametrize("group", [32, 64, 128, 1152])
def test_exact_with_every_group(config: KernelConfig, group: int) -> None:
    if config.operand_types["b"] == "s4":
        group = 0
    expect_exact(config, stated(config, "1x7x9x128_f3_p1", 40, group=group))


@by_config
def test_reads_and_multiplies_at_the_ideal(config: KernelConfig) -> None:
    m, n, _ = config.block_tile
    counts = expect_exact(config, stated(config, f"2x8x{m // 8}x128_f3_p1", 2 * n))["counts"]
    assert counts["wgmma_operands"]["wavefronts"] == counts["wgmma_operands"]["ideal"] > 0
    assert counts["bulk_load"]["sectors"] == counts["bulk_load"]["ideal"] > 0
    assert counts["shared_load"]["wavefronts"] == counts["shared_load"]["ideal"]


@pytest.mark.parametrize(
    ("geometry", "options", "message"),
    [
        (
            "1x9x9x80_f3_p1",
            {},
            "channels=80 is no multiple of 64, a line of a box; pad the channels, or take a kernel by",
        ),
        ("1x9x9x64_f3_p1", {"a_zero": "tensor"}, "pads images with 0, and not with the zero point of A"),
    ],
)
def test_what_the_boxes_cannot_hold_is_refused(geometry: str, options: dict[str, Any], message: str) -> None:
    reason = illegal_reason(CONFIGS[0], stated(CONFIGS[0], geometry, 8, **options))
    assert reason is not None
    assert message in reason
