"""Shapes of problems as a person writes them: sizes joined by x, each of them an axis."""

from __future__ import annotations

from itertools import product
from math import prod

from immabench.axes import AxisError, axis_values
from immabench.errors import UsageError

GEMM_FORM = "MxNxK"
MATRIX_FORM = "ROWSxCOLUMNS"
"""How the shape of a GEMM is written, and that of a matrix which a kernel around it takes."""

EXAMPLES = {GEMM_FORM: "128x256x64 or 1,16x4096x4096", MATRIX_FORM: "64x768 or 1,64x768"}

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


def parse_size(text: str, form: str) -> tuple[int, ...]:
    """The one shape of `form`. Raises UsageError."""
    shapes = parse_sizes(text, form)
    if len(shapes) > 1:
        raise UsageError(f"shape {text!r} is {len(shapes)} shapes where one is needed", "write a number for each size")
    return shapes[0]
