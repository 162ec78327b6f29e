"""Recompute every derived number of a run from what was measured, and list where a row says something else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from immabench.errors import RunFolderError
from immabench.report.roofline import ceilings_by_device

if TYPE_CHECKING:
    from immabench.measure.rows import Row

RELATIVE_TOLERANCE = 1e-6  # covers the rounding of printed floats, nothing else


@dataclass(frozen=True)
class Drift:
    """A stored number that its own sources do not give."""

    row_id: str
    field: str
    stored: float | None
    recomputed: float | None

    def __str__(self) -> str:
        return f"{self.row_id}: {self.field} is {self.stored}, its sources give {self.recomputed}"


def verify_run(run: Path) -> tuple[int, list[Drift]]:
    """Check all rows of a run folder; returns (numbers checked, drifts). Raises RunFolderError for a damaged folder."""
    from immabench.measure.run_folder import RunFolder

    folder = RunFolder.open(run)
    checks = [check for row in folder.rows() for check in recomputed(row, folder.meta, run / "samples")]
    return len(checks), [check for check in checks if not _same(check.stored, check.recomputed)]


def recomputed(row: Row, meta: dict[str, Any], samples: Path) -> Iterator[Drift]:
    """Every derived number of a row beside its stored value; numbers without sources are left out."""
    operations, moved = 2.0 * prod(row.sizes), _bytes_moved(row)
    yield Drift(row.row_id, "flops_per_byte", row.flops_per_byte, operations / moved)
    if row.time_us_median and row.step == "compute":
        yield Drift(row.row_id, "tops", row.tops, operations / row.time_us_median / 1e6)
        yield Drift(row.row_id, "gbps", row.gbps, moved / row.time_us_median / 1e3)
        yield Drift(row.row_id, "pct_roof", row.pct_roof, _pct_roof(row, meta, operations / moved))
    times = read_samples(samples / f"{row.row_id}.json")
    if times:
        yield Drift(row.row_id, "time_us_median", row.time_us_median, median(times))
        yield Drift(row.row_id, "samples", row.samples, len(times))
        if row.pct_noise is not None:
            yield Drift(row.row_id, "pct_noise", row.pct_noise, _pct_noise(times))


def _bytes_moved(row: Row) -> int:
    from immabench.problems import Problem

    return Problem.from_dict(row.model_dump()).bytes_moved


def _pct_roof(row: Row, meta: dict[str, Any], intensity: float) -> float | None:
    from immabench.measure.roof import roof_tops

    roof = roof_tops(ceilings_by_device(meta).get(row.device_kind, {}), row.a_type, intensity)
    return 100 * row.tops / roof if roof and row.tops is not None else None


def _pct_noise(times: list[float]) -> float:
    from immabench.measure.timer import median_noise

    return 100 * median_noise(times)


def read_samples(path: Path) -> list[float]:
    """Raw times of a row in microseconds; [] without a file. Raises RunFolderError for a file that holds no times."""
    if not path.is_file():
        return []
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return [float(time) for time in (stored["time_us"] if isinstance(stored, dict) else stored)]
    except (ValueError, TypeError, KeyError) as error:
        raise RunFolderError(f"{path} is not a list of times", "delete the file or sweep again") from error


def _same(stored: float | None, source: float | None) -> bool:
    if stored is None or source is None:
        return stored is source
    return math.isclose(stored, source, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
