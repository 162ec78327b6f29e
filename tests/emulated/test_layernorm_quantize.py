"""LayerNorm with quantization on the emulated machine: at every width, alike in every configuration, in one pass."""

from __future__ import annotations

import numpy as np
import pytest
from quantizing import ORDERS, STORED, by_type, bytes_of, configs_of, expect_ideal, row_widths, run

from immabench.kernels import CompanionConfig
from immabench.measure.companion_calls import CompanionCall, layernorm_quantize
from immabench.measure.companion_cases import CompanionCase
from immabench.measure.hostile_values import normal, rows_to_normalise
from immabench.operands import aligned

KERNELS = configs_of("layernorm_quantize")
RANGES = ("static", "symmetric", "asymmetric")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.id for kernel in KERNELS])


def call_of(kernel: CompanionConfig, shape: tuple[int, int], data_type: str, of: str, residual: bool) -> CompanionCall:
    choice = {"x": data_type, "codes": "s8", "range": of, "residual": "residual" if residual else "none"}
    return CompanionCase(kernel, shape, choice, seed=1).call


def tame_call(shape: tuple[int, int], data_type: str, **options: object) -> CompanionCall:
    """Of ordinary numbers alone, with a residual."""
    random = np.random.default_rng(1)
    x, residual = rows_to_normalise(random, shape, data_type, tame=True), normal(random, shape, data_type)
    gamma, beta = (normal(random, (shape[1],)) for _ in range(2))
    return layernorm_quantize(x, gamma, beta, residual=residual, **options)  # type: ignore[arg-type]


@by_kernel
@by_type
@pytest.mark.parametrize("residual", [False, True])
def test_exact_at_every_width(kernel: CompanionConfig, data_type: str, residual: bool) -> None:
    for columns, of in zip(row_widths(kernel), RANGES * 5, strict=False):
        run(call_of(kernel, (3, columns), data_type, of, residual), kernel.id)


@by_kernel
@by_type
@pytest.mark.parametrize("of", RANGES)
def test_the_order_of_warps_does_not_matter(kernel: CompanionConfig, data_type: str, of: str) -> None:
    for order in ORDERS:
        for columns in (768, 771):
            run(call_of(kernel, (5, columns), data_type, of, residual=True), kernel.id, order=order)


@by_type
def test_every_configuration_gives_the_same_bits(data_type: str) -> None:
    """The order of summation is the specification's, not the launch's; an order that differed would show here."""
    call, results = tame_call((4, 1001), data_type, eps=1e-12), []
    for kernel in KERNELS:
        run(call, kernel.id)
        results.append(tuple(values.tobytes() for values in call.outputs.values()))
    assert len(results) == 3
    assert len(set(results)) == 1


@by_kernel
@by_type
def test_one_pass_in_whole_sectors(kernel: CompanionConfig, data_type: str) -> None:
    assert kernel.resident_columns is not None
    for columns in (512, kernel.resident_columns):
        report = run(tame_call((8, columns), data_type, asymmetric=True), kernel.id)
        expect_ideal(report)
        elements, size = 8 * columns, np.dtype(STORED[data_type]).itemsize
        assert bytes_of(report) == (elements * (2 * size + 8), elements * (1 + size) + 8 * 12)


def test_the_floats_need_not_be_asked_for() -> None:
    call = tame_call((3, 200), "f16")
    del call.outputs["normalised"], call.expected["normalised"]
    run(call)


def test_huge_values_are_not_a_number_and_have_the_zero_point() -> None:
    x = aligned(np.array([[3e38, 3e38, 3e38, -1.0], [np.inf, 0, 0, 0]], np.float32))
    one, zero = aligned(np.ones(4, np.float32)), aligned(np.zeros(4, np.float32))
    scale, zero_point = aligned(np.ones(1, np.float32)), aligned(np.array([9], np.int32))
    call = layernorm_quantize(x, one, zero, eps=0.0, scale=scale, zero_point=zero_point)
    run(call)
    assert (call.outputs["normalised"].view(np.uint32) == 0x7FFFFFFF)[1].all()
    assert (call.outputs["codes"][1] == 9).all()
