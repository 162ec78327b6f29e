"""The files of a plot: the numbers it shows as CSV, two pictures of them, and how they are known to belong together."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

DRAWN = "drawn.json"
"""Plot -> suffix of a file -> the SHA-256 of what was written, of all plots of a folder."""

SUFFIXES = ("csv", "png", "svg")

Records = list[dict[str, Any]]
"""A line each, all with the same keys; there is at least one."""


def csv_text(records: Records) -> str:
    """The records below the names of their columns."""
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
