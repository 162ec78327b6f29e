"""Codes of sums before a residual, whose range nobody has seen, and biases as int32."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="recipes are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")

from immabench.export.sums import bias_codes, ends, sum_parameters
from immabench.export.weights import IntegerWeights
from immabench.numerics import dequantize, quantize
from immabench.quantize.schemes import QuantizationParameters, TensorScheme, ValueRange

SLACK = 1 + 2.0**-12
"""Of bounds of sums of a few fp32 numbers."""

parameters = st.builds(
    lambda low, high, symmetric, bits: TensorScheme(bits, symmetric).parameters(ValueRange(-low, high)),
    st.floats(0, 100, width=32),
    st.floats(0.0625, 100, width=32),
    st.booleans(),
    st.integers(4, 8),
)


@given(
    output=parameters,
    residual=parameters,
    rectified=st.booleans(),
    seed=st.integers(0, 99),
)
def test_codes_of_sums_lose_nothing_but_their_rounding(
    output: QuantizationParameters, residual: QuantizationParameters, rectified: bool, seed: int
) -> None:
    """Sums of any size, far beyond the range too: the output is within half a step of the sum, and one rounding."""
    with_ = sum_parameters(output, residual, rectified)
    generator = np.random.default_rng(seed)
    sums = generator.normal(scale=4 * (ends(output)[1] - ends(residual)[0]), size=400).astype(np.float32)
    codes = generator.integers(residual.qmin, residual.qmax + 1, size=400)
    added = dequantize(codes, np.float32(residual.scale), residual.zero_point)
    coded = quantize(sums, np.float32(with_.scale), with_.zero_point)
    rounded = dequantize(coded, np.float32(with_.scale), with_.zero_point)
    got, want = _output(rounded + added, output, rectified), _output(sums + added, output, rectified)
    bound = math.floor(SLACK * with_.scale / 2 / output.scale) + 1
    assert np.abs(got - want).max() <= bound


def _output(values: np.ndarray, with_: QuantizationParameters, rectified: bool) -> np.ndarray:
    values = np.maximum(values, np.float32(0)) if rectified else values
    return quantize(values, np.float32(with_.scale), with_.zero_point, with_.qmin, with_.qmax).astype(int)


def test_the_range_by_hand() -> None:
    """Outputs of [0, 10] after a ReLU, residuals of [-1, 4]: a sum below -4 or above 11 saturates whatever is added."""
    output = QuantizationParameters(10 / 255, -128, -128, 127)
    residual = QuantizationParameters(5 / 255, -77, -128, 127)
    assert ends(residual) == (-51 * 5 / 255, 204 * 5 / 255)
    found = sum_parameters(output, residual, rectified=True)
    assert found.scale == pytest.approx(15 / 255)
    assert (found.zero_point, found.qmin, found.qmax) == (-128 + 68, -128, 127)


def test_a_relu_makes_a_symmetric_range_smaller() -> None:
    output = QuantizationParameters(0.1, 0, -127, 127)
    rectified, other = (sum_parameters(output, output, one) for one in (True, False))
    assert rectified.scale == pytest.approx((12.7 * 2 + 12.7) / 255)
    assert other.scale == pytest.approx(12.7 * 4 / 255)


INPUTS = QuantizationParameters(0.5, 28, -128, 127)


def weights(*codes: int) -> IntegerWeights:
    return IntegerWeights(np.array([codes], np.int8), np.array([0.25], np.float32))


def test_biases_are_rounded_to_steps_of_the_product() -> None:
    found = bias_codes(np.array([0.3], np.float32), np.float32(0.5), weights(1, -2), INPUTS)
    assert found is not None
    codes, scale = found
    assert (codes.tolist(), scale.tolist(), codes.dtype) == ([2], [0.125], np.int32)


def test_sums_with_a_bias_stay_within_int32() -> None:
    """Codes of inputs are up to 156 from their zero point; weights of 127 three times make 127 * 3 * 156 of that."""
    most = 2**31 - 1 - 3 * 127 * 156
    for code, fits in ((most - 128, True), (most + 256, False)):
        bias = np.array([code * 0.125])
        assert (bias_codes(bias, np.float32(0.5), weights(127, 127, -127), INPUTS) is not None) == fits


def test_steps_below_normal_numbers_are_refused() -> None:
    tiny = IntegerWeights(np.array([[1]], np.int8), np.array([2.0**-126], np.float32))
    assert bias_codes(np.zeros(1), np.float32(0.5), tiny, INPUTS) is None


@given(value=st.floats(-1000, 1000, width=32), with_=parameters)
def test_a_code_is_quantizes(value: float, with_: QuantizationParameters) -> None:
    want = quantize(np.float32(value), np.float32(with_.scale), with_.zero_point, with_.qmin, with_.qmax)
    assert int(with_.codes(value)) == int(want)
    assert (int(with_.codes(-math.inf)), int(with_.codes(math.inf))) == (with_.qmin, with_.qmax)
