"""Shapes as a person writes them: which form they have, and what they stand for."""

from __future__ import annotations

import pytest

from immabench.errors import UsageError
from immabench.shapes import CONVOLUTION_FORM, GEMM_FORM, MATRIX_FORM, WINDOWS_FORM, form_of, parse_any, parse_size

ALL = (GEMM_FORM, MATRIX_FORM, CONVOLUTION_FORM, WINDOWS_FORM)


@pytest.mark.parametrize(
    ("text", "form", "shapes"),
    [
        ("1,16x4x8", GEMM_FORM, [(1, 4, 8), (16, 4, 8)]),
        (" 64X768 ", MATRIX_FORM, [(64, 768)]),
        ("1x56x56x64_f3_p1_n64", CONVOLUTION_FORM, [("1x56x56x64_f3_p1", 64)]),
        ("1x112x112x64_f3_s2_p1", WINDOWS_FORM, [("1x112x112x64_f3_s2_p1",)]),
        ("1x8x8x4_f2x2_s2x2", WINDOWS_FORM, [("1x8x8x4_f2_s2",)]),
    ],
)
def test_the_form_says_what_a_shape_is_of(text: str, form: str, shapes: list[tuple[object, ...]]) -> None:
    assert parse_any(text, ALL) == (form, shapes)
    assert parse_size(text.replace("1,16", "1"), form) == shapes[0]


@pytest.mark.parametrize(
    ("text", "forms", "message"),
    [
        ("1x8x8x4_f2", (GEMM_FORM,), "is not MxNxK; write for example 128x256x64"),
        ("1x8x8x4_f2", (CONVOLUTION_FORM,), "has no filters; write for example 1x56x56x64_f3_p1_n64"),
        ("8x8", (WINDOWS_FORM,), "is not IMAGES_fWINDOW; write for example 1x112x112x64_f3_s2_p1"),
        ("1x8x8_f2", (WINDOWS_FORM,), "is not a convolution"),
        ("1x8x8x4_f2_n8", (WINDOWS_FORM,), "is not a convolution"),
        ("8", ALL, "is not MxNxK or ROWSxCOLUMNS or CONVOLUTION_nFILTERS or IMAGES_fWINDOW"),
    ],
)
def test_another_form_is_refused_with_an_example(text: str, forms: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_any(text, forms)


def test_filters_tell_a_convolution_from_windows() -> None:
    assert form_of("1x8x8x4_f2", (CONVOLUTION_FORM, WINDOWS_FORM)) == WINDOWS_FORM
    assert form_of("1x8x8x4_f2_n8", (CONVOLUTION_FORM, WINDOWS_FORM)) == CONVOLUTION_FORM
