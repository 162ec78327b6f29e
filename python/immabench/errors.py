"""Errors a user can act on: one line that says what is wrong, a remedy, and the exit code of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES_SHOWN = 8
"""A message that lists more names than this is no longer one line."""


class ImmabenchError(Exception):
    """What is wrong (`message`), what to do about it (`remedy`), and the exit code it becomes on the command line."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(ImmabenchError):
    """The request itself is wrong: an option, a shape, an operand, a file."""

    exit_code = 2


class OperandError(UsageError):
    """An operand of the wrong dtype, shape, device, layout or value. The message names the operand."""


class RunFolderError(UsageError):
    """A run folder that cannot be created, read or written."""


class NothingSelectedError(ImmabenchError):
    """A name or a filter that matches nothing: never a silent success."""

    exit_code = 5

    @classmethod
    def nearest(cls, kind: str, wanted: str, names: Iterable[str]) -> NothingSelectedError:
        """The error for `wanted`, with the nearest of `names` as the remedy, else the first few."""
        known = list(names)
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
        if near:
            return cls(f"no {kind} matches {wanted!r}", f"nearest: {', '.join(near)}")
        shown = known if len(known) <= MOST_NAMES_SHOWN else [*known[:3], f"{len(known) - 3} more"]
        return cls(f"no {kind} matches {wanted!r}", f"known: {', '.join(shown) or 'none'}")


class MissingHardwareError(ImmabenchError):
    """The request needs hardware this machine does not have; the remedy says what to run instead."""

    exit_code = 77
