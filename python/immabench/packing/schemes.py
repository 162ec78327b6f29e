"""How weights are scaled: a format, the granularity of its scales, zero points, and steps for integer mainloops."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from immabench.errors import NothingSelectedError, UsageError
from immabench.packing.formats import WEIGHT_FORMATS, WeightFormat

GRANULARITIES = ("tensor", "channel", "group")
"""What one scale covers: all of [N, K], a row of K, or a group of consecutive elements of a row."""

GROUPS = (32, 64, 128)
"""Elements of K that a group may have."""


@dataclass(frozen=True)
class WeightScheme:
    """A weight format with its scales. Raises UsageError, with the reason, for a combination that is not valid.

    `group` is how many elements of K a group has, 0 for other granularities. An asymmetric scheme has an integer zero
    point beside each scale. `two_level`: each group has an integer step, each channel a float scale, and
    `(code - zero) * step` fits int8.
    """

    format: WeightFormat
    granularity: str = "channel"
    group: int = 0
    symmetric: bool = True
    two_level: bool = False

    def __post_init__(self) -> None:
        reason = invalid_reason(self.format, self.granularity, self.group, self.symmetric, self.two_level)
        if reason:
            raise UsageError(
                f"weight scheme {self.name} is not valid: {reason}",
                "immabench.packing.WEIGHT_SCHEMES has the valid ones",
            )

    @property
    def name(self) -> str:
        """For example `s8_channel`, `s4_g128`, `u4_g64_asym`, `s4_g128_step`."""
        covered = f"g{self.group}" if self.granularity == "group" else self.granularity
        marks = ("" if self.symmetric else "_asym") + ("_step" if self.two_level else "")
        return f"{self.format.name}_{covered}{marks}"


def invalid_reason(
    weight_format: WeightFormat, granularity: str, group: int, symmetric: bool, two_level: bool
) -> str | None:
    """Why there is no such weight scheme, None where there is."""
    if granularity not in GRANULARITIES:
        return f"granularity {granularity!r} is none of {', '.join(GRANULARITIES)}"
    if granularity == "group" and group not in GROUPS:
        return f"a group has {', '.join(map(str, GROUPS[:-1]))} or {GROUPS[-1]} elements of K, not {group}"
    if granularity != "group" and group:
        return f"scales per {granularity} have no groups"
    return _zero_reason(weight_format, granularity, symmetric) or _step_reason(weight_format, granularity, two_level)


def _zero_reason(weight_format: WeightFormat, granularity: str, symmetric: bool) -> str | None:
    if symmetric and weight_format.needs_zero:
        return f"codes of {weight_format.name} start at 0 and need zero points"
    if not symmetric and not weight_format.needs_zero:
        return f"{weight_format.name} has no zero points"
    if not symmetric and granularity == "tensor":
        return "zero points are given per channel or group"
    return None


def _step_reason(weight_format: WeightFormat, granularity: str, two_level: bool) -> str | None:
    if two_level and granularity != "group":
        return "steps are given per group"
    if two_level and (weight_format.bits != 4 or weight_format.codebook is not None):
        return "only 4-bit integers have room in int8 for a step"
    return None


def _every_scheme() -> dict[str, WeightScheme]:
    covers = [("tensor", 0), ("channel", 0), *(("group", group) for group in GROUPS)]
    choices = [
        (weight_format, *cover, symmetric, two_level)
        for weight_format, cover, two_level, symmetric in product(
            WEIGHT_FORMATS.values(), covers, (False, True), (True, False)
        )
    ]
    schemes = [WeightScheme(*choice) for choice in choices if invalid_reason(*choice) is None]
    return {scheme.name: scheme for scheme in schemes}


WEIGHT_SCHEMES = _every_scheme()
"""Every valid scheme of the registered formats, by name."""


def weight_scheme(name: str) -> WeightScheme:
    """The scheme called `name`. Raises NothingSelectedError with the nearest names."""
    if name not in WEIGHT_SCHEMES:
        raise NothingSelectedError.nearest("weight scheme", name, WEIGHT_SCHEMES)
    return WEIGHT_SCHEMES[name]
