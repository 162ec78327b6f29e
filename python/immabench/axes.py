"""Axes: the values a size takes in a suite, in the ways a person may write them."""

from __future__ import annotations

Axis = tuple[int, ...]

MAX_VALUES = 10_000
"""An axis with more values than this is taken for a slip of the pen."""

_MAX_DIGITS = 12
_FORMS = 'write a number, a list of numbers, "a,b,c", "a:b:step" or "pow2:a:b"'


class AxisError(ValueError):
    """An axis that cannot be read. `remedy` says what to write instead."""

    def __init__(self, message: str, remedy: str = _FORMS) -> None:
        super().__init__(message)
        self.remedy = remedy


def axis_values(value: object) -> Axis:
    """The sizes that `value` stands for, in the order written.

    `64` is one size, `[1, 17, 64]` and `"1,17,64"` are three; `"512:2048:512"` counts from 512 in steps of 512 and
    includes 2048; `"pow2:256:4096"` is every power of two from 256 to 4096; forms of text may be joined by commas.
    Raises AxisError for anything else, for a size below 1 and for a size given twice.
    """
    if isinstance(value, str):
        values = _from_text(value)
    elif isinstance(value, (list, tuple)):
        values = tuple(_size(item) for item in value)
    else:
        values = (_size(value),)
    return _checked(value, values)


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise AxisError(f"{value!r} is not a whole number")
    return value


def _from_text(text: str) -> Axis:
    return tuple(value for part in text.split(",") for value in _one_form(part))


def _one_form(text: str) -> Axis:
    head, *rest = (part.strip() for part in text.split(":"))
    if head == "pow2" and len(rest) == 2:
        return _powers_of_two(text, *(_number(text, part) for part in rest))
    numbers = [_number(text, part) for part in (head, *rest)]
    if len(numbers) == 1:
        return (numbers[0],)
    if len(numbers) != 3:
        raise AxisError(f"{text!r} is not an axis")
    return _steps(text, *numbers)


def _number(text: str, part: str) -> int:
    if not (part.isascii() and part.isdigit() and len(part) <= _MAX_DIGITS):
        raise AxisError(f"{text!r} is not an axis")
    return int(part)


def _steps(text: str, first: int, last: int, step: int) -> Axis:
    if step < 1 or last < first:
        raise AxisError(f"{text!r} is empty", "a:b:step wants a <= b and a step of at least 1")
    steps = range(first, last + 1, step)
    if len(steps) > MAX_VALUES:
        raise AxisError(f"{text!r} has {len(steps)} values, more than {MAX_VALUES}", "use a larger step")
    return tuple(steps)


def _powers_of_two(text: str, first: int, last: int) -> Axis:
    if any(value < 1 or value & (value - 1) for value in (first, last)) or last < first:
        raise AxisError(f"{text!r} needs two powers of two, the smaller first", 'for example "pow2:256:4096"')
    return tuple(1 << power for power in range(first.bit_length() - 1, last.bit_length()))


def _checked(written: object, values: Axis) -> Axis:
    if not values:
        raise AxisError("an axis needs at least one value")
    if min(values) < 1:
        raise AxisError(f"{written!r} holds {min(values)}, sizes start at 1", "write sizes of at least 1")
    if len(set(values)) < len(values):
        repeated = next(value for value in values if values.count(value) > 1)
        raise AxisError(f"{written!r} holds {repeated} twice", "write each size once")
    return values
