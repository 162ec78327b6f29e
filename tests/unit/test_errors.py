"""Errors carry a remedy and an exit code."""

from __future__ import annotations

import pytest

from immabench.errors import (
    ImmabenchError,
    MissingHardwareError,
    NothingSelectedError,
    OperandError,
    RunFolderError,
    UsageError,
)


def test_text_is_message_and_remedy_in_one_line() -> None:
    assert str(ImmabenchError("a is wrong", "do b")) == "a is wrong; do b"
    assert str(ImmabenchError("a is wrong")) == "a is wrong"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImmabenchError, 1),
        (UsageError, 2),
        (OperandError, 2),
        (RunFolderError, 2),
        (NothingSelectedError, 5),
        (MissingHardwareError, 77),
    ],
)
def test_exit_codes(error: type[ImmabenchError], code: int) -> None:
    assert error("x").exit_code == code


def test_nearest_names_come_first() -> None:
    error = NothingSelectedError.nearest("suite", "resnet", ["quick", "resnet18", "square"])
    assert str(error) == "no suite matches 'resnet'; nearest: resnet18"


def test_without_a_near_name_all_are_listed() -> None:
    assert str(NothingSelectedError.nearest("suite", "zzz", ["quick"])) == "no suite matches 'zzz'; known: quick"
    many = NothingSelectedError.nearest("suite", "zzz", [f"s{i}" for i in range(20)])
    assert str(many) == "no suite matches 'zzz'; known: s0, s1, s2, 17 more"
    assert str(NothingSelectedError.nearest("suite", "zzz", [])) == "no suite matches 'zzz'; known: none"
