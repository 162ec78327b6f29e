"""Reports of Nsight Compute (`*.ncu-rep`) as actions. Needs the package ncu-report, and neither a GPU nor ncu."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from immabench.errors import UsageError
from immabench.profile.actions import Action, RuleResult
from immabench.profile.container import writers
from immabench.profile.metrics import load_metrics
from immabench.profile.ranges import DOMAIN, kernel_of, row_of

INSTALL = "pip install 'immabench[profile]'"

READ_SECONDS = 300.0
"""A report is read within this or called damaged: on hostile bytes the reader may not end."""


def reader_version() -> str | None:
    """Of the package ncu-report, None where it is not installed."""
    try:
        return metadata.version("ncu-report")
    except metadata.PackageNotFoundError:
        return None


def import_report(path: Path, preset: str = "") -> list[Action]:
    """The actions of a report, in the order of launches.

    Raises UsageError, naming file and remedy, for what is missing, damaged, cut off, of another kind, or holds no
    launch of ours; and where ncu-report is not installed.
    """
    written_by = writers(path)
    if importlib.util.find_spec("ncu_report") is None:
        raise UsageError(f"{path} needs the package ncu-report to be read", INSTALL)
    report = _read(path)
    if not report["actions"]:
        newer = f"or profile with an ncu no newer than ncu-report {reader_version()}"
        raise UsageError(f"{path} holds no profiled launch that can be read", f"profile again, {newer}")
    if not any(_ranges(found) for found in report["actions"]):
        raise UsageError(
            f"{path} holds no launch of immabench: no range of the NVTX domain {DOMAIN}",
            "import what `immabench profile` wrote, or profile with ncu --nvtx",
        )
    common: dict[str, Any] = {"report": path.name, "preset": preset, "ncu_version": ", ".join(written_by)}
    return list(_actions(report["actions"], common))


def _read(path: Path) -> dict[str, Any]:
    """What `report_reader` says of a report. Raises UsageError where it dies of it."""
    command = [sys.executable, "-m", "immabench.profile.report_reader", str(path)]
    remedy = f"profile again, or read it with an ncu-report newer than {reader_version()}"
    try:
        done = subprocess.run(command, capture_output=True, timeout=READ_SECONDS)
        report: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{path} is damaged: reading it took more than {READ_SECONDS:g} s", remedy) from error
    except ValueError as error:
        raise UsageError(f"{path} is damaged, or of a newer format: {_last_words(done)}", remedy) from error
    return report


def _last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    """Why the reader ended without an answer."""
    if done.returncode < 0:
        return f"the reader was killed by signal {-done.returncode}"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"the reader exited with code {done.returncode}"


@dataclass(frozen=True)
class _Found:
    """An action as the reader gives it."""

    values: dict[str, Any]

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value)

    def sizes(self, prefix: str) -> tuple[int, int, int] | None:
        """The three of `launch__grid_dim_x` and the like; None where one is missing."""
        x, y, z = (self.number(f"{prefix}_{axis}") for axis in "xyz")
        return None if x is None or y is None or z is None else (int(x), int(y), int(z))


def _actions(actions: list[dict[str, Any]], common: dict[str, Any]) -> Iterator[Action]:
    seen: Counter[str] = Counter()
    for found in actions:
        ranges = _ranges(found)
        row_id, values = row_of(ranges), _Found(found["metrics"])
        metrics = _metrics(values)
        yield Action(
            row_id=row_id,
            kernel_id=kernel_of(ranges),
            index=seen[row_id],
            device=values.text("device__attribute_display_name"),
            compute_capability=_capability(values),
            function=found["function"],
            demangled=found["demangled"],
            grid=values.sizes("launch__grid_dim"),
            block=values.sizes("launch__block_dim"),
            duration_us=metrics.get("duration"),
            metrics=metrics,
            rules=tuple(_rule_result(rule) for rule in found["rules"] if rule["message"]),
            ranges=ranges,
            **common,
        )
        seen[row_id] += 1


def _ranges(found: dict[str, Any]) -> tuple[str, ...]:
    """The ranges of ours around a launch. Python's and native ones may come as two domains of one name."""
    return tuple(name for domain in found["domains"] if domain["name"] == DOMAIN for name in domain["ranges"])


def _metrics(values: _Found) -> dict[str, float]:
    """Those of `metrics.toml` that the report holds, by our names and in our units."""
    found = {metric: metric.found_in(values.values) for metric in load_metrics()}
    numbers = {metric: values.number(name) for metric, name in found.items() if name is not None}
    return {metric.name: number * metric.scale for metric, number in numbers.items() if number is not None}


def _capability(values: _Found) -> str:
    parts = [values.number(f"device__attribute_compute_capability_{part}") for part in ("major", "minor")]
    return ".".join(f"{part:g}" for part in parts if part is not None)


def _rule_result(rule: dict[str, Any]) -> RuleResult:
    message = " ".join(rule["message"].split())
    return RuleResult(
        **{**rule, "message": message, "speedup_kind": rule["speedup_kind"] if rule["speedup_percent"] else ""}
    )
