"""Shapes of problems as a person writes them: sizes joined by x, each of them an axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

from immabench.axes import AxisError, axis_values
from immabench.convolution import parse_convolution
from immabench.errors import UsageError

GEMM_FORM = "MxNxK"
MATRIX_FORM = "ROWSxCOLUMNS"
ATTENTION_FORM = "BATCHxHEADSxQUERIESxKEYSxDEPTH"
CONVOLUTION_FORM = "CONVOLUTION_nFILTERS"
WINDOWS_FORM = "IMAGES_fWINDOW"
"""How the shape of a GEMM is written, that of a matrix which a kernel around it takes, of attention, of a convolution,
and of windows over images, which are a convolution without filters."""

EXAMPLES = {
    GEMM_FORM: "128x256x64 or 1,16x4096x4096",
    MATRIX_FORM: "64x768 or 1,64x768",
    ATTENTION_FORM: "1x12x128x128x64",
    CONVOLUTION_FORM: "1x56x56x64_f3_p1_n64",
    WINDOWS_FORM: "1x112x112x64_f3_s2_p1",
}

MAX_CASES = 10_000
"""What expands to more cases than this is taken for a slip of the pen."""


def parse_sizes(text: str, *forms: str) -> list[tuple[int, ...]]:
    """Every tuple of as many sizes as one of `forms` names, each an axis as `axis_values` reads it, the last fastest.

    "1,16xpow2:1024:4096x4096" is six shapes of the form MxNxK. Raises UsageError, also above `MAX_CASES` shapes.
    """
    parts = text.strip().lower().split("x")
    if len(parts) not in {form.count("x") + 1 for form in forms} or not all(parts):
        examples = ", or ".join(EXAMPLES[form] for form in forms)
        raise UsageError(f"shape {text!r} is not {' or '.join(forms)}", f"write for example {examples}")
    try:
        axes = [axis_values(part) for part in parts]
    except AxisError as error:
        raise UsageError(f"shape {text!r}: {error}", error.remedy) from error
    count = prod(map(len, axes))
    if count > MAX_CASES:
        raise UsageError(f"shape {text!r} expands to {count} shapes, more than {MAX_CASES}", "shorten an axis")
    return list(product(*axes))


def form_of(text: str, forms: Sequence[str]) -> str:
    """Which of `forms` a shape is written in. Raises UsageError where it is none."""
    text = text.strip().lower()
    of_images = (CONVOLUTION_FORM, WINDOWS_FORM)
    sizes = {form.count("x") + 1: form for form in forms if form not in of_images}
    windows = WINDOWS_FORM in forms and ("_n" not in text or CONVOLUTION_FORM not in forms)
    form = of_images[windows] if "_" in text else sizes.get(len(text.split("x")), "")
    if form not in forms:
        examples = ", or ".join(EXAMPLES[form] for form in forms)
        raise UsageError(f"shape {text!r} is not {' or '.join(forms)}", f"write for example {examples}")
    return form


def parse_convolution_shape(text: str) -> tuple[str, int]:
    """The convolution (`immabench.convolution`) and the number of filters of "1x56x56x64_f3_p1_n64"."""
    name, separator, filters = text.strip().rpartition("_n")
    if not separator or not filters.isdigit():
        raise UsageError(f"shape {text!r} has no filters", f"write for example {EXAMPLES[CONVOLUTION_FORM]}")
    return str(parse_convolution(name)), int(filters)


def parse_any(text: str, forms: Sequence[str]) -> tuple[str, list[tuple[Any, ...]]]:
    """The form a shape is written in and every shape it stands for: sizes, a convolution with its filters, or the name
    of one without."""
    form = form_of(text, forms)
    if form == WINDOWS_FORM:
        return form, [(str(parse_convolution(text)),)]
    return form, [parse_convolution_shape(text)] if form == CONVOLUTION_FORM else list(parse_sizes(text, form))


def parse_size(text: str, form: str) -> tuple[Any, ...]:
    """The one shape of `form`, as `parse_any` gives it. Raises UsageError."""
    _, shapes = parse_any(text, (form,))
    if len(shapes) > 1:
        raise UsageError(f"shape {text!r} is {len(shapes)} shapes where one is needed", "write a number for each size")
    return shapes[0]
