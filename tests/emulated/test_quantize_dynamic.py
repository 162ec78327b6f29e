"""Codes of rows by their own ranges on the emulated machine: at every width, of extreme rows, in one pass."""

from __future__ import annotations

import numpy as np
import pytest
from quantizing import ORDERS, TYPES, by_type, bytes_of, configs_of, expect_ideal, row_widths, run

from immabench.kernels import CompanionConfig
from immabench.measure.companion_calls import quantize_dynamic
from immabench.measure.companion_cases import CompanionCase
from immabench.measure.hostile_values import hostile
from immabench.operands import aligned
from immabench.quantizers import round_stored

KERNELS = configs_of("quantize_dynamic")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.id for kernel in KERNELS])


def hostile_rows(seed: int, shape: tuple[int, int], data_type: str) -> np.ndarray:
    return hostile(np.random.default_rng(seed), shape, data_type)


@by_kernel
@by_type
@pytest.mark.parametrize("asymmetric", [False, True])
def test_exact_at_every_width(kernel: CompanionConfig, data_type: str, asymmetric: bool) -> None:
    choice = {"x": data_type, "codes": "s8", "range": "asymmetric" if asymmetric else "symmetric"}
    for columns in row_widths(kernel):
        run(CompanionCase(kernel, (3, columns), choice, seed=columns).call, kernel.id)


@by_kernel
@by_type
def test_the_order_of_warps_does_not_matter(kernel: CompanionConfig, data_type: str) -> None:
    for order in ORDERS:
        for columns in (520, 521):
            call = quantize_dynamic(hostile_rows(1, (6, columns), data_type), asymmetric=True)
            run(call, kernel.id, order=order)


EXTREMES = {
    "zeros": [0.0, -0.0, 0.0, 0.0],
    "nan": [np.nan] * 4,
    "infinite": [np.inf, -np.inf, np.nan, np.inf],
    "infinite and one": [np.inf, -np.inf, np.nan, 1.0],
    "positive": [1.0, 2.0, 3.0, 4.0],
    "negative": [-1.0, -2.0, -3.0, -4.0],
    "one value": [-5.0, -5.0, -5.0, -5.0],
    "the scale underflows": [1e-45, -2e-45, 0.0, 8.8e-44],
    "the scale is subnormal": [2e-43, -2e-43, 1e-40, 0.0],
    "the range overflows": [3.4e38, -3.4e38, 1e38, 0.0],
    "all on one side": [3.4e38, 3e38, 1e38, 0.0],
}


@by_kernel
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("asymmetric", [False, True])
def test_extreme_rows(kernel: CompanionConfig, name: str, asymmetric: bool) -> None:
    for data_type in TYPES:
        row = round_stored(data_type, np.array([EXTREMES[name]], np.float32))
        run(quantize_dynamic(aligned(np.repeat(row, 2, axis=0)), asymmetric=asymmetric), kernel.id)


def test_a_row_without_a_range_has_scale_one() -> None:
    x = aligned(np.array([[0, -0.0, 0], [np.nan] * 3, [np.inf, np.nan, -np.inf]], np.float32))
    symmetric, asymmetric = quantize_dynamic(x), quantize_dynamic(x, asymmetric=True)
    run(symmetric)
    assert (symmetric.outputs["scale"] == 1).all()
    assert symmetric.outputs["codes"].tolist() == [[0, 0, 0], [0, 0, 0], [127, 0, -127]]
    run(asymmetric)
    assert (asymmetric.outputs["scale"] == 1).all()
    assert asymmetric.outputs["codes"].tolist() == [[-128] * 3, [-128] * 3, [127, -128, -128]]


def test_the_sum_of_a_row_need_not_be_asked_for() -> None:
    call = quantize_dynamic(hostile_rows(4, (3, 40), "f32"))
    del call.outputs["row_sum"], call.expected["row_sum"]
    run(call)


@by_kernel
@by_type
def test_one_pass_in_whole_sectors(kernel: CompanionConfig, data_type: str) -> None:
    most = kernel.resident_columns
    assert most is not None
    for columns in (512, most):
        x = hostile_rows(2, (8, columns), data_type)
        report = run(quantize_dynamic(x, asymmetric=True), kernel.id)
        expect_ideal(report)
        assert bytes_of(report) == (x.nbytes, x.size + 8 * 12)
    if kernel.streams:
        x = hostile_rows(2, (2, most + 32), data_type)
        report = run(quantize_dynamic(x), kernel.id)
        expect_ideal(report)
        assert bytes_of(report)[0] == 2 * x.nbytes  # the range, then the codes
