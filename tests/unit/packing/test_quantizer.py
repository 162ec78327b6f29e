"""Quantized weights against exact arithmetic: codes, scales, zero points, steps, and that nothing leaves int8."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immabench.errors import OperandError, UsageError
from immabench.packing import WEIGHT_SCHEMES, QuantizedWeights, WeightScheme, codebook_format, quantize_weights
from immabench.packing.quantizer import LEAST_SCALE, PROTECTED

EVERY_SCHEME = pytest.mark.parametrize("scheme", WEIGHT_SCHEMES.values(), ids=WEIGHT_SCHEMES)
TWO_LEVEL = [scheme for scheme in WEIGHT_SCHEMES.values() if scheme.two_level]
INTEGER = [scheme for scheme in WEIGHT_SCHEMES.values() if scheme.format.integer]

QUOTIENT_ERROR = 2.0**-15
"""Of a quotient below 2^8, rounded to fp32: 2^-16 at most, and as much again for the product that decodes it."""


def random_weights(n: int = 6, k: int = 256, seed: int = 0) -> np.ndarray:
    """Rows over six decades, with a row of zeros, a group of zeros, and one of a single sign."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(n, k)) * 10.0 ** generator.uniform(-3, 3, (n, 1))
    weights[0], weights[1, :128] = 0, 0
    weights[2] = np.abs(weights[2])
    return weights.astype(np.float32)


@st.composite
def any_weights(draw: st.DrawFn) -> np.ndarray:
    """Two rows of a few finite floats, each in many places: subnormal, huge, of one sign."""
    pool = draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
    places = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(0, len(pool), (2, 128))
    return np.float32(pool)[places]


@EVERY_SCHEME
def test_shapes_and_types(scheme: WeightScheme) -> None:
    weights = random_weights()
    quantized = quantize_weights(weights, scheme)
    groups = (6, 256 // scheme.group) if scheme.group else None
    scaled = {"tensor": (1,), "channel": (6,), "group": groups}["channel" if scheme.two_level else scheme.granularity]
    assert quantized.packed.shape == (6, 256 // scheme.format.codes_per_byte)
    assert (quantized.scale.shape, quantized.scale.dtype) == (scaled, np.float32)
    assert (quantized.zero is None) == scheme.symmetric
    assert (quantized.step is None) != scheme.two_level
    assert quantized.values().shape == weights.shape
    assert quantized.values().dtype == np.float32


@EVERY_SCHEME
def test_values_are_the_definition_in_exact_arithmetic(scheme: WeightScheme) -> None:
    quantized = quantize_weights(random_weights(3, 128), scheme)
    values, codes = quantized.values(), quantized.codes()
    for n, k in [(0, 0), (1, 5), (1, 127), (2, 0), (2, 64), (2, 126)]:
        exact = exact_value(quantized, int(codes[n, k]), n, k)
        assert values[n, k] == np.float32(float(exact)), (n, k)  # exact holds 24 + 24 bits, so float() does not round


@EVERY_SCHEME
def test_every_weight_is_within_half_a_step_of_its_value(scheme: WeightScheme) -> None:
    weights = random_weights()
    quantized = quantize_weights(weights, scheme)
    error = np.abs(weights.astype(np.float64) - quantized.values())
    if scheme.format.bits == 1:
        assert (np.where(weights < 0, -1, 1) * np.abs(quantized.values()) == quantized.values()).all()
        return
    assert (error <= (half_gap(quantized) + QUOTIENT_ERROR) * spread(quantized, quantized.scale)).all()


@pytest.mark.parametrize("scheme", INTEGER, ids=[scheme.name for scheme in INTEGER])
def test_integers_times_scale_are_the_values(scheme: WeightScheme) -> None:
    quantized = quantize_weights(random_weights(), scheme)
    integers = quantized.integers()
    assert integers.dtype == np.int8
    products = integers.astype(np.float32) * spread(quantized, quantized.scale).astype(np.float32)
    assert (products == quantized.values()).all()


def test_fractions_have_no_integers() -> None:
    quantized = quantize_weights(random_weights(), WEIGHT_SCHEMES["nf4_g64"])
    with pytest.raises(UsageError, match="nf4 stands for fractions; take values"):
        quantized.integers()


class TestDefinition:
    def test_symmetric_scales_are_the_largest_magnitude_over_the_largest_code(self) -> None:
        weights = np.float32([[0.5, -3.5], [127, 0]])
        assert quantize_weights(weights, WEIGHT_SCHEMES["s4_channel"]).scale.tolist() == [0.5, np.float32(127 / 7)]
        assert quantize_weights(weights, WEIGHT_SCHEMES["s8_tensor"]).scale.tolist() == [1.0]
        assert quantize_weights(weights, WEIGHT_SCHEMES["nf4_channel"]).scale.tolist() == [3.5, 127.0]
        assert quantize_weights(weights, WEIGHT_SCHEMES["s4_channel"]).codes().tolist() == [[1, -7], [7, 0]]

    def test_asymmetric_ranges_include_zero(self) -> None:
        weights = np.float32([[-5, 10], [2, 30], [-30, -4]])
        quantized = quantize_weights(weights, WEIGHT_SCHEMES["u4_channel_asym"])
        assert quantized.scale.tolist() == [1.0, 2.0, 2.0]
        assert quantized.zero is not None
        assert quantized.zero.tolist() == [5, 0, 15]
        assert quantized.codes().tolist() == [[0, 15], [1, 15], [0, 13]]
        assert (quantized.values() == weights).all()

    def test_bits_are_signs_and_their_scale_is_the_mean_magnitude(self) -> None:
        quantized = quantize_weights(np.float32([[1, -2, 0, -0.0, 5]]), WEIGHT_SCHEMES["b1_channel"])
        assert quantized.codes().tolist() == [[1, 0, 1, 1, 1]]
        assert quantized.scale.tolist() == [np.float32(8 / 5)]

    def test_the_mean_magnitude_does_not_depend_on_the_order(self) -> None:
        weights = np.float32([[2.0**60, 1, 1, -(2.0**60)] * 32, [1, 1, 2.0**60, 2.0**60] * 32])
        first, second = quantize_weights(weights, WEIGHT_SCHEMES["b1_channel"]).scale.tolist()
        assert first == second == 2.0**59

    def test_two_levels(self) -> None:
        row = np.zeros(64, np.float32)
        row[:3], row[32:35] = [119, -60, 8], [15, -15, 3]
        quantized = quantize_weights(row[None], WEIGHT_SCHEMES["s4_g32_step"])
        assert quantized.step is not None
        assert (quantized.scale.tolist(), quantized.step.tolist()) == ([1.0], [[16, 2]])
        assert quantized.integers()[0, [0, 1, 2, 32, 33, 34]].tolist() == [112, -64, 0, 14, -16, 4]

    def test_two_levels_with_zero_points(self) -> None:
        row = np.zeros(96, np.float32)
        row[:2], row[32:34], row[64:66] = [-119, 119], [119, 7], [-30, 15]
        quantized = quantize_weights(row[None], WEIGHT_SCHEMES["u4_g32_asym_step"])
        assert quantized.step is not None
        assert quantized.zero is not None
        # The first group would have zero point 7; then code 15 would stand for 8 * 16 = 128, so it gets 8.
        assert (quantized.step.tolist(), quantized.zero.tolist()) == ([[16, 8, 3]], [[8, 0, 10]])
        assert quantized.integers()[0, [0, 1, 32, 33, 64, 65]].tolist() == [-112, 112, 120, 8, -30, 15]


@EVERY_SCHEME
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zeros_stay_zeros(scheme: WeightScheme, zero: float) -> None:
    quantized = quantize_weights(np.full((2, 128), zero, np.float32), scheme)
    expected = LEAST_SCALE if scheme.format.bits == 1 else 1.0
    assert (quantized.scale == expected).all()
    assert (np.abs(quantized.values()) == (LEAST_SCALE if scheme.format.bits == 1 else 0)).all()
    assert quantized.step is None or (quantized.step == 1).all()
    assert quantized.zero is None or (quantized.zero == 0).all()


def test_a_codebook_without_zero_has_the_least_scale_for_zeros() -> None:
    odd = WeightScheme(codebook_format("odd", range(-15, 16, 2)))
    assert quantize_weights(np.zeros((1, 8)), odd).scale.tolist() == [LEAST_SCALE]
    assert quantize_weights(np.full((1, 8), 30.0), odd).scale.tolist() == [2.0]


@EVERY_SCHEME
@settings(max_examples=15)
@given(weights=any_weights())
def test_any_finite_weights_can_be_quantized(scheme: WeightScheme, weights: np.ndarray) -> None:
    quantized = quantize_weights(weights, scheme)
    assert (quantized.scale >= LEAST_SCALE).all()
    assert np.isfinite(quantized.scale).all()


@pytest.mark.parametrize("scheme", TWO_LEVEL, ids=[scheme.name for scheme in TWO_LEVEL])
class TestTwoLevel:
    @given(weights=any_weights())
    def test_no_code_leaves_int8(self, scheme: WeightScheme, weights: np.ndarray) -> None:
        quantized = quantize_weights(weights, scheme)
        assert quantized.step is not None
        step = quantized.step.astype(int)
        zero = np.zeros_like(step) if quantized.zero is None else quantized.zero.astype(int)
        assert step.min() >= 1
        for code in range(scheme.format.code_range[0], scheme.format.code_range[1] + 1):
            product = (code - zero) * step
            assert product.min() >= -128
            assert product.max() <= 127

    @given(st.integers(-PROTECTED, PROTECTED), st.integers(-PROTECTED, PROTECTED), st.integers(0, 2**32 - 1))
    def test_every_integer_is_within_half_a_step(self, scheme: WeightScheme, low: int, high: int, seed: int) -> None:
        """The first group holds integers between two limits, the second makes the channel's scale 1."""
        row = np.zeros(2 * scheme.group, np.float32)
        low, high = min(low, high), max(low, high)
        row[: scheme.group] = np.random.default_rng(seed).integers(low, high + 1, scheme.group)
        row[:2], row[-1] = [low, high], PROTECTED
        quantized = quantize_weights(row[None], scheme)
        assert quantized.step is not None
        assert quantized.scale.tolist() == [1.0]
        error = np.abs(quantized.integers()[0].astype(int) - row)
        assert (2 * error <= np.repeat(quantized.step[0], scheme.group)).all()


def test_every_range_of_integers_has_a_step() -> None:
    """All pairs of least and greatest integer: the claim above, without chance."""
    pairs = [(low, high) for low in range(-PROTECTED, PROTECTED + 1) for high in range(low, PROTECTED + 1)]
    rows = np.zeros((len(pairs), 64), np.float32)
    rows[:, :2], rows[:, -1] = pairs, PROTECTED
    for name in ("s4_g32_step", "u4_g32_asym_step"):
        quantized = quantize_weights(rows, WEIGHT_SCHEMES[name])
        assert quantized.step is not None
        error = np.abs(quantized.integers()[:, :2].astype(int) - rows[:, :2])
        assert (2 * error <= quantized.step[:, :1]).all(), name
        assert int(quantized.step.max()) == 16


class TestBadWeights:
    def test_not_finite_or_no_matrix(self) -> None:
        for bad in (np.nan, np.inf, 1e39):
            with pytest.raises(OperandError, match="weights are not finite; remove NaN and infinity"):
                quantize_weights([[bad]], WEIGHT_SCHEMES["s8_channel"])
        for shape in ((4,), (0, 4), (4, 0), (1, 2, 3)):
            with pytest.raises(OperandError, match="give a matrix"):
                quantize_weights(np.zeros(shape, np.float32), WEIGHT_SCHEMES["s8_channel"])

    def test_groups_divide_k(self) -> None:
        with pytest.raises(UsageError, match="s4_g64: groups of 64 do not divide K=96"):
            quantize_weights(np.zeros((1, 96), np.float32), WEIGHT_SCHEMES["s4_g64"])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"packed": np.zeros((2, 31), np.uint8)}, r"packed is uint8\[2, 31\]; the scheme has uint8\[2, 32\]"),
            ({"scale": np.ones((2, 1), np.float32)}, r"scale is float32\[2, 1\]; the scheme has float32\[2\]"),
            ({"scale": np.zeros(2, np.float32)}, r"scale\[0\] is 0.0"),
            ({"step": None}, "step is missing"),
            ({"zero": None}, "zero is missing"),
            ({"zero": np.full((2, 2), 16, np.int8)}, "zero goes from 16 to 16; u4 has 0 to 15"),
            ({"step": np.zeros((2, 2), np.int8)}, r"step\[0,0\] is 0: "),
            ({"step": np.int8([[1, 16], [1, 1]])}, r"step\[0,1\] is 16: \(code - zero\) \* step leaves int8"),
            ({"zero": np.full((2, 2), 15, np.int8), "step": np.full((2, 2), 9, np.int8)}, r"step\[0,0\] is 9: "),
            ({"scheme": WEIGHT_SCHEMES["s4_g32_step"]}, "zero is given"),
        ],
    )
    def test_arrays_that_do_not_fit_the_scheme(self, change: dict, message: str) -> None:
        good = QuantizedWeights(
            WEIGHT_SCHEMES["u4_g32_asym_step"],
            (2, 64),
            packed=np.zeros((2, 32), np.uint8),
            scale=np.ones(2, np.float32),
            zero=np.full((2, 2), 7, np.int8),
            step=np.ones((2, 2), np.int8),
        )
        with pytest.raises(UsageError, match=message if "\\" in message else re.escape(message)):
            replace(good, **change)


def spread(quantized: QuantizedWeights, array: np.ndarray) -> np.ndarray:
    """One number an element of [N, K], by index."""
    n, k = np.indices(quantized.shape)
    if array.ndim == 2:
        return array[n, k // quantized.scheme.group]
    return array[n if len(array) == quantized.shape[0] else 0 * n]


def half_gap(quantized: QuantizedWeights) -> np.ndarray | float:
    """How far a number may be from its value, in units of the scale: half the widest gap, or half of both steps."""
    codebook = quantized.scheme.format.codebook
    if codebook is not None:
        return float(np.diff(np.sort(codebook)).max()) / 2
    return 0.5 if quantized.step is None else 0.5 + spread(quantized, quantized.step) / 2


def exact_value(quantized: QuantizedWeights, code: int, n: int, k: int) -> Fraction:
    """`(value of the code - zero) * step * scale`, by the shapes of docs/numerics.md."""
    scheme = quantized.scheme
    group = k // scheme.group if scheme.group else 0
    value = Fraction(code if scheme.format.codebook is None else scheme.format.codebook[code])
    if quantized.zero is not None:
        value -= int(quantized.zero[n, group] if scheme.group else quantized.zero[n])
    if quantized.step is not None:
        value *= int(quantized.step[n, group])
    if scheme.granularity == "tensor":
        scale = quantized.scale[0]
    else:
        scale = quantized.scale[n, group] if scheme.group and not scheme.two_level else quantized.scale[n]
    return value * Fraction(float(scale))
