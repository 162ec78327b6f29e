"""What the scripts that write tables into documents share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from immabench.measure.trial import Trial
from immabench.problems import Problem
from immabench.providers.handwritten import HandwrittenProvider


def emulated_counts(kernel_id: str, problem: Problem) -> dict[str, Any]:
    """The counters of one emulated launch. Exits with what is wrong where the result is."""
    trial = Trial(HandwrittenProvider(), problem, kernel_id, "emulated", seed=0)
    trial.launch()
    if wrong := trial.judge():
        raise SystemExit(f"{kernel_id}: {wrong}")
    emulation = trial.launchable.emulation
    assert emulation is not None
    return emulation.counts


def markdown_table(heads: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    rows = [heads, ("---",) * len(heads), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def print_or_write(usage: str | None, table: Callable[[], str], document: Path, mark: str) -> None:
    """Print `table()`, or with `--write` put it into `document` between `<!-- mark: begin -->` and its end."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--write"]):
        raise SystemExit(usage)
    if not arguments:
        print(table())
        return
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    text = document.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n{table()}\n{end}{after}", encoding="utf-8")
