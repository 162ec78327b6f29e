"""The id of a row: the name that joins it, its NVTX range, its ncu action, its SASS listing and its emulation counts.

`KERNEL@PROBLEM@DEVICE`, in which no part holds an @. Nothing else puts an id together or takes one apart.
"""

from __future__ import annotations

from typing import NamedTuple


class RowId(NamedTuple):
    """An id in its parts; `str` of it is the id. `problem_key` is of the problem that was asked for (`Problem.key`)."""

    kernel_id: str
    problem_key: str
    device_kind: str

    def __str__(self) -> str:
        return "@".join(self)

    @classmethod
    def parse(cls, text: str) -> RowId | None:
        """The parts of an id; None for a text that is none."""
        parts = text.split("@")
        return cls(*parts) if len(parts) == len(cls._fields) else None


def launch_of(row_id: str) -> tuple[str, str] | None:
    """Kernel and problem of an id: what a row shares with one of the same launch on another device."""
    parts = RowId.parse(row_id)
    return (parts.kernel_id, parts.problem_key) if parts else None
