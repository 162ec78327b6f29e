"""Short names of rows: how a point of a chart says which row it stands for."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immabench.measure.rows import Row

KEY_DIGITS = 12
"""Hexadecimal digits of a key: of a million rows two share one with a chance of 0.2 %."""


def row_key(row: Row) -> str:
    """The same key for the same suite, case and row id, in every chart, table and run."""
    return sha1("|".join(row.identity).encode(), usedforsecurity=False).hexdigest()[:KEY_DIGITS]
