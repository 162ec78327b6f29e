"""Convolutions as GEMMs: their names, their sizes, their patches against torch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.convolution import Convolution, parse_convolution, patches
from immabench.errors import UsageError

PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    taps, stride, dilation = draw(PAIRS), draw(PAIRS), draw(PAIRS)
    span = [d * (f - 1) + 1 for d, f in zip(dilation, taps, strict=True)]
    pad_h, pad_w = (draw(st.integers(0, s)) for s in span)
    least = [max(1, s - 2 * p) for s, p in zip(span, (pad_h, pad_w), strict=True)]
    height, width = (draw(st.integers(size, size + 7)) for size in least)
    images, channels = draw(st.integers(1, 2)), draw(st.integers(1, 5))
    return Convolution(images, height, width, channels, taps, stride, (pad_h, pad_w), dilation)


@given(convolutions())
def test_a_name_is_read_back(convolution: Convolution) -> None:
    assert parse_convolution(str(convolution)) == convolution


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1x224x224x3_f7_s2_p3", Convolution(1, 224, 224, 3, (7, 7), (2, 2), (3, 3))),
        ("8x56x56x64_f1x3_p0x1", Convolution(8, 56, 56, 64, (1, 3), padding=(0, 1))),
        ("2x9x9x4_f3_d2", Convolution(2, 9, 9, 4, (3, 3), dilation=(2, 2))),
    ],
)
def test_names(text: str, expected: Convolution) -> None:
    assert parse_convolution(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3x3", "is not a convolution"),
        ("1x8x8x3_f3_p1_s2", "is not a convolution"),
        ("0x8x8x3_f3", "at least 1"),
        ("1x8x8x3_f9", "larger than the padded image"),
        ("1x20000x8x3_f3", "up to 16384 pixels"),
    ],
)
def test_what_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_convolution(text)


@given(convolutions(), st.integers(1, 3), st.integers(0, 2**31))
def test_patches_times_filters_are_the_convolution_of_torch(convolution: Convolution, filters: int, seed: int) -> None:
    torch = pytest.importorskip("torch", reason="torch's convolution is the oracle; pip install 'immabench[models]'")
    generator = np.random.default_rng(seed)
    image = generator.integers(-128, 128, convolution.image_shape)
    weights = generator.integers(-128, 128, (filters, *convolution.filter, convolution.channels))
    out = patches(convolution, image) @ weights.reshape(filters, -1).T
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image.transpose(0, 3, 1, 2)).double(),
        torch.from_numpy(weights.transpose(0, 3, 1, 2)).double(),
        stride=convolution.stride,
        padding=convolution.padding,
        dilation=convolution.dilation,
    )
    assert np.array_equal(
        out.reshape(convolution.images, convolution.out_height, convolution.out_width, -1),
        expected.numpy().transpose(0, 2, 3, 1),
    )


def test_padding_has_the_value_that_stands_for_zero() -> None:
    convolution = Convolution(1, 1, 1, 1, (3, 3), padding=(1, 1))
    assert patches(convolution, np.array([[[[5]]]]), padding=-7).tolist() == [[-7, -7, -7, -7, 5, -7, -7, -7, -7]]
