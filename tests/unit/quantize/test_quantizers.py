"""Quantization of activations against the numpy oracles, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="quantizers are torch's: pip install 'immabench[models]'")

from immabench.data_types import bf16_to_f32, f32_to_bf16  # noqa: E402
from immabench.numerics import dequantize, quantize  # noqa: E402
from immabench.quantize import TensorScheme, ValueRange  # noqa: E402
from immabench.quantize.quantizers import DynamicQuantizer, Rounding, StaticQuantizer  # noqa: E402
from immabench.quantizers import quantize_dynamic  # noqa: E402

SCHEMES = st.builds(TensorScheme, st.integers(2, 8), st.booleans())
ORDINARY = st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False)
ANY = st.floats(width=32, allow_subnormal=False, allow_nan=False)
MATRICES = arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=ORDINARY)


def same(found: torch.Tensor, want: NDArray[np.float32]) -> None:
    """Equal numbers; NaN nowhere. Codes have one zero, so that its sign says nothing."""
    np.testing.assert_array_equal(found.numpy(), want)
    assert not np.isnan(want).any()


@given(SCHEMES, ORDINARY, ORDINARY, arrays.arrays(np.float32, 12, elements=ANY))
def test_static_is_the_oracle(scheme: TensorScheme, one: float, other: float, x: NDArray[np.float32]) -> None:
    with_ = scheme.parameters(ValueRange(min(one, other, 0.0), max(one, other, 0.0)))
    codes = quantize(x, with_.scale, with_.zero_point, with_.qmin, with_.qmax)
    with np.errstate(over="ignore"):
        same(StaticQuantizer(with_)(torch.from_numpy(x)), dequantize(codes, with_.scale, with_.zero_point))


@given(SCHEMES)
def test_ties_are_rounded_to_even(scheme: TensorScheme) -> None:
    with_ = scheme.parameters(ValueRange(-float(2 ** (scheme.bits - 1)), float(2 ** (scheme.bits - 1))))
    x = np.arange(-520, 521, dtype=np.float32) * np.float32(with_.scale) / 2
    codes = quantize(x, with_.scale, with_.zero_point, with_.qmin, with_.qmax)
    same(StaticQuantizer(with_)(torch.from_numpy(x)), dequantize(codes, with_.scale, with_.zero_point))


def by_range(scheme: TensorScheme, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """By the range of all finite values."""
    finite = x[np.isfinite(x)]
    ends = ValueRange(float(finite.min(initial=0)), float(finite.max(initial=0)))
    with_ = scheme.parameters(ends)
    return dequantize(quantize(x, with_.scale, with_.zero_point, with_.qmin, with_.qmax), with_.scale, with_.zero_point)


@given(SCHEMES, MATRICES)
def test_dynamic_is_static_of_the_values_own_range(scheme: TensorScheme, x: NDArray[np.float32]) -> None:
    values = torch.from_numpy(x)
    same(DynamicQuantizer(scheme, "tensor")(values), by_range(scheme, x))
    same(DynamicQuantizer(scheme, "token")(values), np.stack([by_range(scheme, row) for row in x]))


@given(MATRICES, st.booleans())
def test_eight_bits_by_token_are_those_of_the_kernels(x: NDArray[np.float32], symmetric: bool) -> None:
    want = quantize_dynamic(x, asymmetric=not symmetric)
    zero = 0 if want.zero_point is None else want.zero_point[:, None]
    found = DynamicQuantizer(TensorScheme(8, symmetric), "token")(torch.from_numpy(x))
    same(found, dequantize(want.codes, want.scale[:, None], zero))


@pytest.mark.parametrize("scales", ["tensor", "token"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_only_finite_values_make_the_range(scales: str, symmetric: bool) -> None:
    x = np.array([[1, -3, np.inf, 2, -np.inf, np.nan, 0.3]], np.float32)
    found = DynamicQuantizer(TensorScheme(8, symmetric), scales)(torch.from_numpy(x))
    want = quantize_dynamic(x, asymmetric=not symmetric)
    zero = 0 if want.zero_point is None else want.zero_point[:, None]
    values = dequantize(want.codes, want.scale[:, None], zero)
    assert torch.isnan(found[0, 5]), "a kernel gives it the zero point; here it is to be seen"
    numbers = ~np.isnan(x)
    np.testing.assert_array_equal(found.numpy()[numbers], values[numbers])


def test_nan_stays_nan_by_a_known_scale() -> None:
    found = StaticQuantizer(TensorScheme(4).parameters(ValueRange(-7.0, 7.0)))(torch.tensor([float("nan"), 2.4]))
    assert torch.isnan(found[0])
    assert found[1] == 2


def test_tokens_are_rows_of_the_last_dimension() -> None:
    x = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    quantizer = DynamicQuantizer(TensorScheme(), "token")
    assert torch.equal(quantizer(x), quantizer(x.reshape(6, 5)).reshape(2, 3, 5))


def test_what_is_given_stays_as_it_is() -> None:
    x = torch.tensor([[0.3, -1.7, 2.2]])
    before = x.clone()
    for quantizer in (
        StaticQuantizer(TensorScheme(3).parameters(ValueRange(-1.0, 1.0))),
        DynamicQuantizer(TensorScheme(3), "token"),
        DynamicQuantizer(TensorScheme(3, symmetric=False), "tensor"),
        Rounding("bf16"),
    ):
        assert not torch.equal(quantizer(x), before)
        assert torch.equal(x, before)


@given(arrays.arrays(np.float32, 12, elements=ANY))
def test_rounding_is_that_of_the_kernels(x: NDArray[np.float32]) -> None:
    values = torch.from_numpy(x)
    np.testing.assert_array_equal(Rounding("bf16")(values).numpy(), bf16_to_f32(f32_to_bf16(x)))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(Rounding("fp16")(values).numpy(), x.astype(np.float16).astype(np.float32))
    assert torch.equal(Rounding("fp32")(values), values)
