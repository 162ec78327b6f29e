"""The oracles of pooling against torch, exact rationals and the definition, window by window."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immabench import pooling
from immabench.convolution import Convolution, parse_convolution
from immabench.errors import UsageError

Array = np.ndarray
GEOMETRIES = ("1x112x112x3_f3_s2_p1", "2x7x7x5_f7", "1x9x8x4_f2x4_s2x3_p1x2", "3x5x6x2_f1", "2x6x6x3_f2_s2")
by_geometry = pytest.mark.parametrize("name", GEOMETRIES)


@st.composite
def windows(draw: st.DrawFn) -> Convolution:
    """Any geometry that there is, small."""
    taps, stride = (draw(st.tuples(st.integers(1, 5), st.integers(1, 5))) for _ in range(2))
    padding = tuple(draw(st.integers(0, size // 2)) for size in taps)
    height, width = (
        draw(st.integers(max(1, size - 2 * pad), size + 6)) for size, pad in zip(taps, padding, strict=True)
    )
    images, channels = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    return Convolution(images, height, width, channels, taps, stride, (padding[0], padding[1]))


def image(geometry: Convolution, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-128, 128, geometry.image_shape).astype(np.int8)


def pixels(x: Array, geometry: Convolution, p: int, q: int) -> Array:
    """What the window of an output pixel meets, [images, pixels, channels]."""
    top, left = (at * s - pad for at, s, pad in zip((p, q), geometry.stride, geometry.padding, strict=True))
    met = x[:, max(top, 0) : top + geometry.filter[0], max(left, 0) : left + geometry.filter[1]]
    return met.reshape(x.shape[0], -1, x.shape[3])


def half_even(value: Fraction) -> int:
    return int(min(max(round(value), -128), 127))  # Fraction rounds half to even


@given(windows(), st.integers(0, 2**31))
def test_maxima_are_those_of_each_window(geometry: Convolution, seed: int) -> None:
    x = image(geometry, seed)
    got = pooling.max_pool2d(x, geometry)
    assert got.shape == (geometry.images, geometry.out_height, geometry.out_width, geometry.channels)
    for p in range(geometry.out_height):
        for q in range(geometry.out_width):
            assert np.array_equal(got[:, p, q], pixels(x, geometry, p, q).max(axis=1))


@settings(deadline=None)
@given(windows(), st.integers(0, 2**31), st.integers(-128, 127), st.integers(-128, 127), st.booleans())
def test_averages_of_equal_scales_are_exact(
    geometry: Convolution, seed: int, x_zero: int, zero: int, include_pad: bool
) -> None:
    x = image(geometry, seed)
    options = {"x_zero_point": x_zero, "count_include_pad": include_pad}
    plain = pooling.avg_pool2d(x, geometry, zero_point=zero, **options)  # type: ignore[arg-type]
    scaled = pooling.avg_pool2d(x, geometry, x_scale=0.3, scale=0.3, zero_point=zero, **options)  # type: ignore[arg-type]
    assert np.array_equal(plain, scaled)
    for p in range(geometry.out_height):
        for q in range(geometry.out_width):
            met = pixels(x, geometry, p, q).astype(int) - x_zero
            divisor = geometry.filter[0] * geometry.filter[1] if include_pad else met.shape[1]
            means = [[Fraction(int(total), divisor) for total in row] for row in met.sum(axis=1)]
            codes = [[min(max(round(mean) + zero, -128), 127) for mean in row] for row in means]
            assert plain[:, p, q].tolist() == codes


def test_the_largest_window_of_exact_averages_rounds_every_tie() -> None:
    """2^16 pixels whose sum is a tie of codes, and one to either side."""
    geometry = Convolution(3, 256, 256, 1, (256, 256))
    for level in (-128, 37, 126):
        x = np.full(geometry.image_shape, level, np.int8)
        x.reshape(3, -1)[:, ::2] += 1
        x[1, 0, 1], x[2, 0, 0] = level + 1, level
        got = pooling.avg_pool2d(x, geometry).reshape(3)
        assert got.tolist() == [level + level % 2, level + 1, level]


@by_geometry
def test_torch_finds_the_same(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is the other oracle: pip install 'immabench[models]'")
    geometry = parse_convolution(name)
    x = image(geometry)
    nchw = torch.from_numpy(x).permute(0, 3, 1, 2).double()
    options = {"kernel_size": geometry.filter, "stride": geometry.stride, "padding": geometry.padding}
    largest = torch.nn.functional.max_pool2d(nchw, **options).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(pooling.max_pool2d(x, geometry), largest)
    for include_pad in (False, True):
        means = torch.nn.functional.avg_pool2d(nchw, **options, count_include_pad=include_pad).permute(0, 2, 3, 1)
        got = pooling.avg_pool2d_f32(x, geometry, count_include_pad=include_pad)
        assert np.array_equal(got, means.numpy().astype(np.float32))  # 53 bits, rounded to 24


def test_scales_and_zero_points_are_applied_as_specified() -> None:
    geometry = Convolution(1, 1, 3, 1, (1, 3))
    x = np.array([10, 20, 31], np.int8).reshape(geometry.image_shape)
    mean = np.float32(61 - 3 * 7) / np.float32(3)
    want = np.rint(mean * (np.float32(0.3) / np.float32(0.11))) - 5
    got = pooling.avg_pool2d(x, geometry, x_scale=0.3, scale=0.11, x_zero_point=7, zero_point=-5)
    assert got.tolist() == [[[[int(want)]]]]
    floats = pooling.avg_pool2d_f32(x, geometry, x_scale=0.3, x_zero_point=7)
    assert floats.tolist() == [[[[float(mean * np.float32(0.3))]]]]


def test_a_factor_that_overflows_saturates_and_leaves_zeros() -> None:
    geometry = Convolution(1, 1, 3, 1, (1, 1))
    x = np.array([-1, 0, 1], np.int8).reshape(geometry.image_shape)
    assert pooling.avg_pool2d(x, geometry, x_scale=1e30, scale=1e-30, zero_point=9).ravel().tolist() == [-128, 9, 127]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("1x8x8x1_f3_p2", {}, "1x8x8x1_f3_p2: padding is more than half of the window; take at most filter / 2"),
        ("1x8x8x1_f3_d2", {}, "windows have no dilation; leave it out"),
        ("1x8x8x1_f3", {"scale": 1.0}, "one scale of two is given; pass x_scale and scale, or neither"),
        ("1x8x8x1_f3", {"x_scale": 1.0, "scale": 0.0}, "scale\\[0\\] is 0.0; scales are positive and finite"),
    ],
)
def test_what_cannot_be_is_one_line(name: str, options: dict[str, float], message: str) -> None:
    geometry = parse_convolution(name)
    with pytest.raises(UsageError, match=message):
        pooling.avg_pool2d(image(geometry), geometry, **options)  # type: ignore[arg-type]


def test_windows_of_a_shape() -> None:
    assert pooling.windows_of((1, 8, 9, 4), (2, 3), (2, 1), (1, 0)) == parse_convolution("1x8x9x4_f2x3_s2x1_p1x0")
    with pytest.raises(UsageError, match="more than half"):
        pooling.windows_of((1, 8, 9, 4), (2, 3), (2, 1), (2, 0))
