"""Quantization with given scales on the emulated machine: the oracle's bits at every tie, ideal transactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantizing import ORDERS, STORED, WIDTHS, by_granularity, by_type, bytes_of, expect_ideal, run, shifted, unaligned

from immabench import _native
from immabench.kernels import companion_configs
from immabench.measure.companion_calls import CompanionCall, quantize
from immabench.measure.companion_cases import CompanionCase
from immabench.operands import aligned

by_codes = pytest.mark.parametrize("codes", ["s8", "s4"])
KERNEL = next(config for config in companion_configs() if config.family == "quantize")


def call_of(shape: tuple[int, int], data_type: str, codes: str, granularity: str) -> CompanionCall:
    """On ties of the scales that it takes, and on what is no ordinary number."""
    choice = {"x": data_type, "codes": codes, "granularity": granularity}
    return CompanionCase(KERNEL, shape, choice, seed=3).call


@by_type
@by_codes
@by_granularity
def test_exact_at_every_width(data_type: str, codes: str, granularity: str) -> None:
    for columns in WIDTHS:
        if codes == "s8" or columns % 2 == 0:
            run(call_of((5, columns), data_type, codes, granularity))


@by_type
@by_granularity
def test_every_order_across_blocks(data_type: str, granularity: str) -> None:
    for order in ORDERS:
        run(call_of((19, 520), data_type, "s8", granularity), order=order)
        run(call_of((19, 521), data_type, "s8", granularity), order=order)


@by_type
def test_unaligned_addresses(data_type: str) -> None:
    call = call_of((3, 64), data_type, "s8", "tensor")
    call.inputs["x"] = shifted(call.inputs["x"])
    run(unaligned(call))


@by_type
@by_codes
@by_granularity
def test_each_byte_moves_once_in_whole_sectors(data_type: str, codes: str, granularity: str) -> None:
    shape = (16, 1024)
    report = run(call_of(shape, data_type, codes, granularity))
    expect_ideal(report)
    loaded, stored = bytes_of(report)
    elements = shape[0] * shape[1]
    assert stored == elements // (2 if codes == "s4" else 1)
    width = 4 if granularity == "column" or data_type == "f32" else 8
    pairs = elements if granularity == "column" else elements // width
    assert loaded == elements * np.dtype(STORED[data_type]).itemsize + pairs * 8


def test_ranges_and_absent_zero_points() -> None:
    x, one = aligned(np.linspace(-300, 300, 64, dtype=np.float32).reshape(4, 16)), aligned(np.ones(1, np.float32))
    for code_range in [(-127, 127), (-8, 7), (0, 0), (5, 100)]:
        run(quantize(x, one, code_range=code_range))
    for codes, limits in (("s8", (-128, 127)), ("s4", (-8, 7))):
        whole = quantize(x, one, codes=codes)
        assert (whole.options.pop("qmin"), whole.options.pop("qmax")) == limits
        run(whole)


def near_ties(scale: float) -> np.ndarray:
    """Every tie of an int8 code and the four floats around it."""
    ties = (np.arange(-260, 260) + np.float32(0.5)).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        middle = ties * np.float32(scale)
        around = [middle]
        for direction in (-np.inf, np.inf):
            once = np.nextafter(middle, np.float32(direction))
            around += [once, np.nextafter(once, np.float32(direction))]
    return aligned(np.stack(around))


@settings(max_examples=60, deadline=None)
@given(st.floats(2.0**-149, 2.0**127, width=32), st.integers(-128, 127))
def test_ties_of_every_scale_round_as_the_quotient_does(scale: float, zero: int) -> None:
    x = near_ties(scale)
    for granularity, extent in (("tensor", 1), ("row", len(x))):
        spread: dict[str, Any] = {"granularity": granularity, "zero_point": aligned(np.full(extent, zero, np.int32))}
        run(quantize(x, aligned(np.full(extent, scale, np.float32)), **spread))


def test_an_output_in_the_memory_of_an_input_is_a_hazard() -> None:
    x, one = aligned(np.ones((4, 16), np.float32)), np.ones(1, np.float32)
    report = _native.emulate_quantize(KERNEL.id, x, x.view(np.int8)[:, :16].copy()[:4], one)
    assert report["hazard_total"] == 0
    report = _native.emulate_quantize(KERNEL.id, x, x.reshape(-1)[:16].view(np.int8).reshape(4, 16), one)
    assert report["hazards"][0]["kind"] == "global-out-of-bounds"
