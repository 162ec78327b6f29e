"""Pooling on the emulated machine: every kind of window bit for bit the oracle's, every sector used once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantizing import ORDERS, bytes_of, configs_of, expect_ideal, run, shifted, unaligned

from immabench import _native
from immabench.convolution import Convolution, parse_convolution
from immabench.kernels import CompanionConfig, companion_illegal_reason, geometry_sizes
from immabench.measure.companion_calls import CompanionCall, avg_pool2d, max_pool2d
from immabench.measure.companion_cases import CompanionCase
from immabench.measure.companion_shapes import WINDOWS
from immabench.operands import aligned

MAXIMA, AVERAGES = configs_of("max_pool2d"), configs_of("avg_pool2d")
KERNELS = [*MAXIMA, *AVERAGES]
WIDTHS = (1, 3, 4, 12, 16, 20, 31, 32, 33, 48, 64)
"""Channels around the vectors of 16, 4 and 1, and a block's 32."""

by_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.id for kernel in KERNELS])
by_average = pytest.mark.parametrize("kernel", AVERAGES, ids=[kernel.id for kernel in AVERAGES])
by_out = pytest.mark.parametrize("out", ["s8", "f32"])


def image(geometry: Convolution, seed: int = 0) -> np.ndarray:
    return aligned(np.random.default_rng(seed).integers(-128, 128, geometry.image_shape).astype(np.int8))


def call_of(kernel: CompanionConfig, geometry: Convolution, out: str = "s8", seed: int = 1) -> CompanionCall:
    """Of random codes; averages of another scale, with zero points."""
    choice = {"out": out, "terms": "scales", "divisor": "pixels"} if kernel.family == "avg_pool2d" else {"out": "s8"}
    return CompanionCase(kernel, geometry, choice, seed).call


def one(value: float, dtype: Any = np.float32) -> np.ndarray:
    return aligned(np.array([value], dtype))


def test_a_thread_and_a_block_take_a_window() -> None:
    assert [(kernel.id, kernel.window_threads) for kernel in KERNELS] == [
        ("max_pool2d_t1_sm80", 1),
        ("avg_pool2d_t1_sm80", 1),
        ("avg_pool2d_t128_sm80", 128),
    ]


@by_kernel
def test_exact_with_any_channels(kernel: CompanionConfig) -> None:
    for channels in WIDTHS:
        geometry = Convolution(2, 5, 6, channels, (3, 2), (2, 1), (1, 1))
        for out in kernel.output_types:
            run(call_of(kernel, geometry, out), kernel.id)


@by_kernel
@pytest.mark.parametrize("geometry", WINDOWS, ids=str)
def test_the_order_of_warps_does_not_matter(kernel: CompanionConfig, geometry: Convolution) -> None:
    for order in ORDERS:
        run(call_of(kernel, geometry), kernel.id, order=order)


@st.composite
def geometries(draw: st.DrawFn) -> Convolution:
    taps, stride = (draw(st.tuples(st.integers(1, 7), st.integers(1, 4))) for _ in range(2))
    padding = [draw(st.integers(0, size // 2)) for size in taps]
    height, width = (
        draw(st.integers(max(1, size - 2 * pad), size + 5)) for size, pad in zip(taps, padding, strict=True)
    )
    channels = draw(st.sampled_from(WIDTHS))
    return Convolution(draw(st.integers(1, 3)), height, width, channels, taps, stride, (padding[0], padding[1]))


@by_kernel
@settings(max_examples=60, deadline=None)
@given(geometry=geometries(), seed=st.integers(0, 2**31))
def test_exact_on_any_windows(kernel: CompanionConfig, geometry: Convolution, seed: int) -> None:
    for out in kernel.output_types:
        run(call_of(kernel, geometry, out, seed), kernel.id)


@by_kernel
def test_unaligned_addresses(kernel: CompanionConfig) -> None:
    geometry = parse_convolution("1x6x6x32_f3_s2_p1")
    for shift in (1, 4):
        for out in kernel.output_types:
            call = call_of(kernel, geometry, out)
            call.inputs["x"] = shifted(call.inputs["x"], shift)
            run(call, kernel.id)
            run(unaligned(call_of(kernel, geometry, out)), kernel.id)


def test_padding_never_wins_a_maximum() -> None:
    geometry = parse_convolution("1x3x3x16_f3_p1")
    lowest = aligned(np.full(geometry.image_shape, -128, np.int8))
    run(max_pool2d(lowest, geometry))


@by_kernel
@pytest.mark.parametrize("name", ["1x112x112x64_f3_s2_p1", "1x7x7x512_f7", "2x14x14x96_f3_p1"])
def test_every_sector_is_used_whole(kernel: CompanionConfig, name: str) -> None:
    geometry = parse_convolution(name)
    for out in kernel.output_types:
        report = run(call_of(kernel, geometry, out), kernel.id)
        expect_ideal(report)
        stored = geometry.m * geometry.channels * (4 if out == "f32" else 1)
        assert bytes_of(report)[1] == stored


def test_each_pixel_within_the_image_is_read_once_a_window() -> None:
    geometry = parse_convolution("1x112x112x64_f3_s2_p1")
    along = 3 * 56 - 1  # the first window lacks a row, or a column
    assert bytes_of(run(call_of(MAXIMA[0], geometry)))[0] == along * along * 64


@by_average
def test_a_global_average_reads_the_image_once(kernel: CompanionConfig) -> None:
    geometry = parse_convolution("1x7x7x512_f7")
    loaded, _ = bytes_of(run(avg_pool2d(image(geometry), geometry), kernel.id))
    assert loaded == 49 * 512


@by_average
@by_out
@pytest.mark.parametrize("include_pad", [False, True])
def test_divisors_and_absent_terms(kernel: CompanionConfig, out: str, include_pad: bool) -> None:
    geometry = parse_convolution("2x5x4x20_f3x4_s2x1_p1x2")
    given: list[dict[str, Any]] = [{}, {"x_zero_point": one(-77, np.int32)}, {"x_scale": one(0.3)}]
    if out == "s8":
        given[2:] = [{"zero_point": one(100, np.int32)}, {"x_scale": one(0.3), "scale": one(0.11)}]
    for terms in given:
        run(avg_pool2d(image(geometry), geometry, out=out, count_include_pad=include_pad, **terms), kernel.id)


@by_average
@pytest.mark.parametrize("window", [(2, 2), (2, 3), (1, 6), (3, 3), (2, 7)])
def test_ties_of_equal_scales_round_half_to_even(kernel: CompanionConfig, window: tuple[int, int]) -> None:
    """Every sum of such a window near a tie: a pixel counts up from every code, the others are that code."""
    taps = window[0] * window[1]
    levels, steps = np.arange(-128, 127)[:, None, None], np.arange(taps + 1)[:, None]
    x = (levels + (np.arange(taps) < steps)).astype(np.int8)
    geometry = Convolution(1, window[0] * x.shape[0], window[1] * x.shape[1], 1, window, window)
    pixels = x.reshape(*x.shape[:2], *window).transpose(0, 2, 1, 3)
    run(avg_pool2d(aligned(pixels.reshape(geometry.image_shape)), geometry), kernel.id)


@by_average
@settings(max_examples=80, deadline=None)
@given(
    st.floats(2.0**-149, 2.0**127, width=32),
    st.floats(2.0**-149, 2.0**127, width=32),
    st.integers(-128, 127),
    st.sampled_from([(1, 1), (2, 2), (2, 3), (3, 3)]),
)
def test_any_two_scales(
    kernel: CompanionConfig, x_scale: float, scale: float, zero: int, window: tuple[int, int]
) -> None:
    """Also those whose quotient is no normal number, or infinite."""
    geometry = Convolution(1, 6, 6, 16, window, window)
    terms = {"x_scale": one(x_scale), "scale": one(scale), "zero_point": one(zero, np.int32)}
    run(avg_pool2d(image(geometry), geometry, **terms), kernel.id)


@by_average
@settings(max_examples=80, deadline=None)
@given(st.floats(2.0**-10, 2.0**4, width=32), st.integers(-40, 40), st.sampled_from([(1, 1), (2, 3), (3, 3)]))
def test_products_next_to_a_tie(kernel: CompanionConfig, scale: float, steps: int, window: tuple[int, int]) -> None:
    """A factor that puts some code's average on a tie, or some floats beside: the quick way must know its limits."""
    geometry = Convolution(1, *window, 256, window)
    factor = np.float32((2 * steps + 1) / 2 / 37)
    x_scale = np.abs(factor * np.float32(scale)) + np.float32(2.0**-20)
    x = aligned(np.broadcast_to(np.arange(-128, 128), geometry.image_shape).astype(np.int8))
    for nudged in (x_scale, np.nextafter(x_scale, np.float32(np.inf))):
        run(avg_pool2d(x, geometry, x_scale=one(nudged), scale=one(scale)), kernel.id)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1x8x8x16_f3_s2_p1", ""),
        ("1x8x8x16_f3_p2", "padding is more than half of the window, which may then hold no pixel; take at most"),
        (
            "1x4096x4096x1_f4096x2049",
            "8392704 pixels of a window exceed 2\\^23, whose sum int32 holds; pool in two steps",
        ),
        ("1x16384x16384x8_f1", "2147483648 elements of the output exceed 2\\^31-1; split the images"),
    ],
)
def test_what_is_illegal_has_a_reason(name: str, reason: str) -> None:
    found = companion_illegal_reason(MAXIMA[0], parse_convolution(name))
    if reason:
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(found)
    else:
        assert found is None


GEOMETRY = parse_convolution("1x4x4x8_f2_s2")
X, OUT, FLOATS = np.zeros((1, 4, 4, 8), np.int8), np.zeros((1, 2, 2, 8), np.int8), np.zeros((1, 2, 2, 8), np.float32)


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("max_pool2d", {"x": X.astype(np.float32)}, "operand 'x' holds float32 where int8 is needed; quantize it"),
        (
            "max_pool2d",
            {"x": X[0]},
            "operand 'x' has shape \\[4, 4, 8\\] where \\[1, 4, 4, 8\\] is needed; pass the image",
        ),
        (
            "max_pool2d",
            {"out": X},
            "operand 'out' has shape \\[1, 4, 4, 8\\] where \\[1, 2, 2, 8\\] is needed; an element",
        ),
        ("max_pool2d", {"out": FLOATS}, "operand 'out' holds float32 where int8 is needed"),
        ("max_pool2d", {"geometry": {}}, "convolution: no 'images'; pass all sizes"),
        ("max_pool2d", {"geometry": {**geometry_sizes(GEOMETRY), "dilation_width": 2}}, "windows have no dilation"),
        (
            "max_pool2d",
            {"geometry": {**geometry_sizes(GEOMETRY), "padding_width": 2}, "out": np.zeros((1, 2, 4, 8), np.int8)},
            "max_pool2d_t1_sm80: padding is more than half of the window",
        ),
        ("max_pool2d", {"geometry": {**geometry_sizes(GEOMETRY), "filter_width": 9}}, "larger than the padded image"),
        ("avg_pool2d", {"out": OUT.astype(np.int32)}, "operand 'out' holds int32 where int8"),
        ("avg_pool2d", {"scale": np.ones(1, np.float32)}, "codes need both x_scale and scale, or neither"),
        ("avg_pool2d", {"out": FLOATS, "zero_point": np.zeros(1, np.int32)}, "and 'out' is float32; leave them out"),
        (
            "avg_pool2d",
            {"x_zero_point": np.array([200], np.int32)},
            "'x_zero_point' holds 200 at index 0; zero points lie",
        ),
    ],
)
def test_bad_operands_are_named_in_one_line(family: str, change: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {"x": X, "out": OUT.copy(), "geometry": geometry_sizes(GEOMETRY)}
    with pytest.raises(ValueError, match=message) as error:
        getattr(_native, f"emulate_{family}")(configs_of(family)[0].id, **{**call, **change})
    assert "\n" not in str(error.value)


def test_kernels_of_images_take_no_matrix() -> None:
    with pytest.raises(KeyError, match="no kernel 'max_pool2d_t1_sm80' of these operands"):
        _native.companion_illegal_reason("max_pool2d_t1_sm80", 1, 1)
    with pytest.raises(KeyError, match="no kernel 'quantize_t256_sm80' of these operands"):
        _native.pooling_illegal_reason("quantize_t256_sm80", geometry_sizes(GEOMETRY))
