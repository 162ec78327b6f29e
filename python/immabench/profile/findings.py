"""Findings: what counters taught, each with the figures that say so and what was done about it.

A machine's are in `profiles/evidence/<machine>/findings.toml`, beside the actions they speak of. A figure that is not
in those is no evidence, and `complaints` says so.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from immabench.errors import UsageError
from immabench.profile.actions import Action, read_file

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library under its name on PyPI
    import tomli as tomllib

FILE = "findings.toml"

ROUNDED = 5e-4
"""How far a figure may be from the counter, as a share of it: three digits that are right."""

Sentence = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(_Table):
    """A figure: a metric of a row, of an actions file in the same folder."""

    actions: str
    row_id: str
    metric: str
    value: float


class Finding(_Table):
    """What was seen, by which figures, and what was changed for it, or why nothing was."""

    finding: Sentence
    action: Sentence
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]


class Findings(_Table):
    """A file of them."""

    findings: tuple[Finding, ...]


def read_findings(path: Path) -> list[Finding]:
    """The findings of a file. Raises UsageError, naming it, for what is none."""
    try:
        return list(Findings.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).findings)
    except (OSError, ValidationError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} holds no findings ({reason})", "see profiles/evidence/README.md") from error


def complaints(folder: Path) -> Iterator[str]:
    """What of a machine's findings its actions do not hold, a line a figure."""
    for finding in read_findings(folder / FILE):
        for figure in finding.evidence:
            value = _value(folder / figure.actions, figure)
            if value is None or not math.isclose(value, figure.value, rel_tol=ROUNDED):
                yield f"{figure.actions}: {figure.row_id} has {figure.metric} {value}, not {figure.value}"


def _value(path: Path, figure: Evidence) -> float | None:
    actions: list[Action] = read_file(path)
    return next((one.metrics.get(figure.metric) for one in actions if one.row_id == figure.row_id), None)
