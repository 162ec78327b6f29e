"""The softmax between the products of attention, emulated: at every width, in every order of warps, in one pass."""

from __future__ import annotations

import numpy as np
import pytest
from quantizing import ORDERS, bytes_of, configs_of, expect_ideal, row_widths, run, unaligned

from immabench.kernels import CompanionConfig
from immabench.measure.companion_calls import CompanionCall, softmax_quantize
from immabench.measure.companion_cases import CompanionCase, choices
from immabench.operands import aligned

KERNELS = configs_of("softmax_quantize")
by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.id for kernel in KERNELS])


def tame_call(shape: tuple[int, int], lengths: np.ndarray | None = None) -> CompanionCall:
    """Scores as attention has them."""
    x = np.random.default_rng(1).normal(0, 3000, shape).astype(np.int32)
    return softmax_quantize(aligned(x), 2.0**-11, lengths)


@by_kernel
def test_exact_at_every_width(kernel: CompanionConfig) -> None:
    for columns in row_widths(kernel):
        for choice in choices(kernel):
            run(CompanionCase(kernel, (5, columns), choice, seed=columns).call, kernel.id)


@by_kernel
def test_the_order_of_warps_does_not_matter(kernel: CompanionConfig) -> None:
    for order in ORDERS:
        for columns in (520, 521):
            lengths = aligned(np.array([columns, 17, 0], np.int32))
            run(tame_call((6, columns), lengths), kernel.id, order=order)


def test_every_configuration_gives_the_same_bits() -> None:
    call, results = tame_call((4, 1001)), []
    for kernel in KERNELS:
        run(call, kernel.id)
        results.append(tuple(values.tobytes() for values in call.outputs.values()))
    assert len(results) == 3
    assert len(set(results)) == 1


def test_addresses_need_not_be_aligned() -> None:
    run(unaligned(tame_call((3, 64))))


ROWS = {
    "all alike": ([5, 5, 5, 5], 4, [255, 255, 255, 255]),
    "one key": ([7, 9, 9, 9], 1, [255, 0, 0, 0]),
    "no key": ([7, 9, 9, 9], 0, [0, 0, 0, 0]),
    "the ends of int32": ([2**31 - 1, -(2**31), 0, 2**31 - 1], 4, [255, 0, 0, 255]),
    "the largest is masked": ([-3, -3, 2**31 - 1, 0], 2, [255, 255, 0, 0]),
    "halves and quarters": ([0, -1, -2, -3], 4, [255, 128, 64, 32]),
}


@by_kernel
@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_easy_to_see(kernel: CompanionConfig, name: str) -> None:
    scores, length, codes = ROWS[name]
    x = aligned(np.array([scores], np.int32))
    call = softmax_quantize(x, float(np.log(2)), aligned(np.array([length], np.int32)))
    run(call, kernel.id)
    assert (call.outputs["codes"][0].astype(int) + 128).tolist() == codes
    assert call.outputs["row_scale"][0] == np.float32(1) / np.float32(max(sum(codes), 1))


@by_kernel
def test_one_pass_in_whole_sectors(kernel: CompanionConfig) -> None:
    most = kernel.resident_columns
    assert most is not None
    for columns in (512, most):
        report = run(tame_call((8, columns)), kernel.id)
        expect_ideal(report)
        assert bytes_of(report) == (8 * columns * 4, 8 * columns + 8 * 4)
    if kernel.streams:
        report = run(tame_call((2, most + 32)), kernel.id)
        expect_ideal(report)
        assert bytes_of(report)[0] == 2 * 2 * (most + 32) * 4  # the largest, then the codes
