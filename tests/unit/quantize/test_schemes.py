"""Scale and zero point of a range, against the oracle of dynamic quantization and by their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import UsageError
from immabench.numerics import dequantize, quantize

torch = pytest.importorskip(
    "torch", reason="importing immabench.quantize imports torch: pip install 'immabench[models]'"
)

from immabench.quantize import TensorScheme, ValueRange  # noqa: E402
from immabench.quantizers import quantize_dynamic  # noqa: E402

ENDS = st.floats(0, 2.0**100, width=32, allow_subnormal=False)
SCHEMES = st.builds(TensorScheme, st.integers(2, 8), st.booleans())


@given(ENDS, ENDS)
def test_eight_bits_are_those_of_dynamic_quantization(below: float, above: float) -> None:
    row = np.array([[-below, above, 0]], np.float32)
    for symmetric in (True, False):
        found = TensorScheme(8, symmetric).parameters(ValueRange(float(row[0, 0]) or 0.0, float(row[0, 1])))
        want = quantize_dynamic(row, asymmetric=not symmetric)
        assert np.float32(found.scale) == want.scale[0]
        assert found.zero_point == (0 if want.zero_point is None else want.zero_point[0])


@given(SCHEMES, ENDS, ENDS)
def test_both_ends_come_back_within_a_step(scheme: TensorScheme, below: float, above: float) -> None:
    found = scheme.parameters(ValueRange(-below or 0.0, above))
    assert found.qmin <= found.zero_point <= found.qmax
    ends = np.array([-below, 0, above], np.float32)
    codes = quantize(ends, found.scale, found.zero_point, found.qmin, found.qmax)
    back = dequantize(codes, found.scale, found.zero_point)
    assert back[1] == 0, "0 is a code"
    if max(below, above) > 1e-30:
        assert (np.abs(back - ends) <= 0.51 * np.float64(found.scale)).all()


def test_codes_of_every_width() -> None:
    assert [TensorScheme(bits).codes for bits in (2, 4, 8)] == [(-1, 1), (-7, 7), (-127, 127)]
    assert [TensorScheme(bits, symmetric=False).codes for bits in (2, 4, 8)] == [(-2, 1), (-8, 7), (-128, 127)]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_what_is_beyond_a_given_range_saturates_where_codes_end(bits: int) -> None:
    found = TensorScheme(bits).parameters(ValueRange(-1.0, 1.0))
    most = 2 ** (bits - 1) - 1
    assert (found.qmin, found.qmax, found.zero_point) == (-most - 1, most, 0)
    assert found.scale == float(np.float32(1) / np.float32(most)), "the range itself needs no code below -most"


def test_a_channel_of_zeros_has_a_scale() -> None:
    for symmetric in (True, False):
        assert TensorScheme(8, symmetric).parameters(ValueRange(0.0, 0.0)).scale == 1


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (-2.0, -1.0), (float("nan"), 1.0), (-1.0, float("inf"))])
def test_ranges_without_zero_or_end_are_refused(low: float, high: float) -> None:
    with pytest.raises(UsageError, match="is no range of values; give finite ends around 0"):
        ValueRange(low, high)


@pytest.mark.parametrize("bits", [1, 9])
def test_widths_without_codes_are_refused(bits: int) -> None:
    with pytest.raises(UsageError, match=f"{bits} bits; choose 2 to 8"):
        TensorScheme(bits)
