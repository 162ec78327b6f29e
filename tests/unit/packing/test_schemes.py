"""Which combinations of format, granularity, zero points and steps there are, and their names."""

from __future__ import annotations

import re

import pytest

from immabench.errors import NothingSelectedError, UsageError
from immabench.packing import WEIGHT_FORMATS, WEIGHT_SCHEMES, WeightScheme, weight_scheme
from immabench.packing.schemes import GRANULARITIES, GROUPS

S4, U4, S8, NF4, B1 = (WEIGHT_FORMATS[name] for name in ("s4", "u4", "s8", "nf4", "b1"))


def test_names_say_everything() -> None:
    assert WeightScheme(S8).name == "s8_channel"
    assert WeightScheme(S4, "tensor").name == "s4_tensor"
    assert WeightScheme(S4, "group", 128).name == "s4_g128"
    assert WeightScheme(S4, "group", 128, two_level=True).name == "s4_g128_step"
    assert WeightScheme(U4, "group", 64, symmetric=False).name == "u4_g64_asym"
    assert WeightScheme(U4, "group", 32, symmetric=False, two_level=True).name == "u4_g32_asym_step"
    assert WeightScheme(NF4, "group", 64).name == "nf4_g64"


def test_every_scheme_is_found_by_its_name_and_says_what_it_is() -> None:
    for name, scheme in WEIGHT_SCHEMES.items():
        assert weight_scheme(name) is scheme
        assert re.fullmatch(r"[a-z0-9_]+", name)
    assert len(set(WEIGHT_SCHEMES.values())) == len(WEIGHT_SCHEMES)


def test_the_registry_holds_every_cover_of_every_format() -> None:
    covers = {"tensor", "channel", *(f"g{group}" for group in GROUPS)}
    symmetric = {f"{name}_{cover}" for name in WEIGHT_FORMATS if name != "u4" for cover in covers}
    asymmetric = {f"u4_{cover}_asym" for cover in covers - {"tensor"}}
    steps = {f"{cover}_step" for group in GROUPS for cover in (f"s4_g{group}", f"u4_g{group}_asym")}
    assert set(WEIGHT_SCHEMES) == symmetric | asymmetric | steps


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((S4, "row"), f"none of {', '.join(GRANULARITIES)}"),
        ((S4, "group", 16), "32, 64 or 128 elements of K, not 16"),
        ((S4, "group"), "32, 64 or 128 elements of K, not 0"),
        ((S4, "channel", 64), "scales per channel have no groups"),
        ((U4, "channel"), "codes of u4 start at 0 and need zero points"),
        ((S4, "channel", 0, False), "s4 has no zero points"),
        ((NF4, "channel", 0, False), "nf4 has no zero points"),
        ((U4, "tensor", 0, False), "zero points are given per channel or group"),
        ((S4, "channel", 0, True, True), "steps are given per group"),
        ((S8, "group", 64, True, True), "only 4-bit integers have room"),
        ((NF4, "group", 64, True, True), "only 4-bit integers have room"),
        ((B1, "group", 64, True, True), "only 4-bit integers have room"),
    ],
)
def test_what_is_not_valid_says_why(arguments: tuple, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        WeightScheme(*arguments)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(NothingSelectedError, match="nearest: s4_g128"):
        weight_scheme("s4_g129")
