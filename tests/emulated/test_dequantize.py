"""Codes back to floats, and codes of one scale to codes of another, on the emulated machine."""

from __future__ import annotations

import numpy as np
import pytest
from quantizing import ORDERS, WIDTHS, by_granularity, by_type, configs_of, expect_ideal, run

from immabench import _native
from immabench.measure.companion_calls import quantize, requantize
from immabench.measure.companion_cases import CompanionCase
from immabench.measure.hostile_values import normal, scales
from immabench.operands import aligned


@by_type
@pytest.mark.parametrize("codes", ["s8", "s4"])
@by_granularity
def test_dequantize_is_exact(data_type: str, codes: str, granularity: str) -> None:
    (kernel,) = configs_of("dequantize")
    choice = {"codes": codes, "out": data_type, "granularity": granularity}
    for columns in (*WIDTHS, 1024):
        if codes == "s8" or columns % 2 == 0:
            report = run(CompanionCase(kernel, (5, columns), choice, seed=4).call)
    expect_ideal(report)  # of 1024 columns


@pytest.mark.parametrize("columns", [1, 3, 4, 16, 17, 520])
@pytest.mark.parametrize("terms", ["vectors", "scalars", "none"])
def test_requantize_of_accumulators_is_exact(columns: int, terms: str) -> None:
    (kernel,) = configs_of("requantize")
    call = CompanionCase(kernel, (7, columns), {"x": "s32", "codes": "s8", "terms": terms}, seed=1).call
    assert {-(2**31), 2**31 - 1} <= set(call.inputs["x"].reshape(-1).tolist())
    for order in ORDERS:
        report = run(call, order=order)
    if columns % 4 == 0 and columns > 16:
        expect_ideal(report)


@pytest.mark.parametrize("columns", [1, 4, 15, 16, 17, 512])
@pytest.mark.parametrize("by_column", [False, True])
def test_requantize_of_codes_is_exact(columns: int, by_column: bool) -> None:
    random = np.random.default_rng(columns)
    x = aligned(random.integers(-128, 128, (33, columns)).astype(np.int8))
    x_zero, zero = (aligned(np.array([value], np.int32)) for value in (-7, 12))
    col_scale = scales(random, columns) if by_column else None
    terms = {"row_scale": scales(random, 1), "col_scale": col_scale}
    report = run(requantize(x, scales(random, 1), zero, x_zero_point=x_zero, **terms))
    if columns == 512:
        expect_ideal(report)


def test_requantize_within_a_range() -> None:
    x = aligned(np.arange(-300, 340, 10, dtype=np.int32).reshape(4, 16))
    for code_range in [(-127, 127), (-8, 7), (5, 100)]:
        call = requantize(x, aligned(np.ones(1, np.float32)), code_range=code_range)
        run(call)
        assert (call.outputs["codes"].min(), call.outputs["codes"].max()) == code_range


def test_requantize_is_the_epilogue_of_a_gemm_and_then_quantize() -> None:
    random = np.random.default_rng(8)
    a, b = (random.integers(-128, 128, (rows, 96)).astype(np.int8) for rows in (20, 24))
    terms = {name: random.uniform(0.5, 2, n).astype(np.float32) for name, n in (("row_scale", 20), ("col_scale", 24))}
    terms["bias"] = normal(random, (24,))
    sums, values = aligned(np.zeros((20, 24), np.int32)), aligned(np.zeros((20, 24), np.float32))
    gemm = _native.kernels()[0]["id"]
    _native.emulate_gemm(gemm, a, b, sums, output_type="s32")
    _native.emulate_gemm(gemm, a, b, values, output_type="f32", **terms)
    scale, zero = aligned(np.array([np.abs(values).max() / 100], np.float32)), aligned(np.array([3], np.int32))
    calls = [requantize(sums, scale, zero, **terms), quantize(values, scale, zero)]
    for call in calls:
        run(call)
    one_step, two_steps = (call.outputs["codes"] for call in calls)
    assert (one_step == two_steps).all()
    assert len(np.unique(one_step)) > 50
