"""Recompute every derived number of a run from what was measured, and list where something else is written.

First the rows themselves, from the problem they state, their raw samples, the ceilings of `run.json` and their counts
by source line; then, in `written.py`, what the report shows of them. Not checked is what only the run itself saw, which
nothing gives again: the mean of launches queued back to back and the samples that were discarded (neither is kept one
by one), clocks, power and temperature, what timed and what stopped, and totals of counts that have no lines. The
command in a row's panel measures it again, and `immabench emulate` counts anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from immabench.errors import RunFolderError
from immabench.measure.roof import ceilings_by_device, roof_tops
from immabench.report.drift import Drift, Value
from immabench.report.written import compared
from immabench.row_ids import RowId

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.measure.run_folder import RunFolder
    from immabench.problems import Problem

Recomputed = tuple[str, Value, Value]
"""(field, what the row says, what its sources give)."""


def verify_run(run: Path) -> tuple[int, list[Drift]]:
    """Check the rows of a run folder and everything its report shows; returns (values checked, drifts).

    Raises RunFolderError for a damaged folder.
    """
    from immabench.measure.run_folder import RunFolder

    folder = RunFolder.open(run)
    checked, drifts = 0, []
    for check in chain(recomputed_rows(folder), compared(folder)):  # millions, of a large run
        checked += 1
        drifts += [check] if check.differs else []
    return checked, drifts


def recomputed_rows(folder: RunFolder) -> Iterator[Drift]:
    """`recomputed` of every row of a run folder."""
    for row in folder.each():
        for field, stored, given in recomputed(row, folder.meta, folder.path / "samples"):
            yield Drift("rows.jsonl", row.row_id, field, stored, given, "its sources")


def recomputed(row: Row, meta: dict[str, Any], samples: Path) -> Iterator[Recomputed]:
    """Every derived value of a row beside its stored one; what has no sources is left out."""
    problem, asked = row.problem, row.asked_problem
    if asked is not None:
        yield "row_id", row.row_id, str(RowId(row.kernel_id, asked.key, row.device_kind))
    yield "flops_per_byte", row.flops_per_byte, problem.operations_per_byte
    if row.status == "ok":
        yield "verified", row.verified, True
    yield from _rates(row, problem, meta)
    yield from _statistics(row, read_samples(samples / f"{row.row_id}.json"))
    yield from _counts(row)


def _rates(row: Row, problem: Problem, meta: dict[str, Any]) -> Iterator[Recomputed]:
    """Of a product with a time; a row without, or one that times packing, has none."""
    timed = row.time_us_median if row.step == "compute" else None
    tops = problem.operations / timed / 1e6 if timed else None
    yield "tops", row.tops, tops
    yield "gbps", row.gbps, problem.bytes_moved / timed / 1e3 if timed else None
    yield "pct_roof", row.pct_roof, _pct_roof(row, meta, problem.operations_per_byte, tops)


def _pct_roof(row: Row, meta: dict[str, Any], intensity: float, tops: float | None) -> float | None:
    roof = roof_tops(ceilings_by_device(meta).get(row.device_kind, {}), row.a_type, intensity)
    return 100 * tops / roof if roof and tops is not None else None


def _statistics(row: Row, times: list[float]) -> Iterator[Recomputed]:
    """Of the raw samples; a row without a file of them must not claim any."""
    from immabench.measure.timer import interquartile_range, median_noise

    yield "samples", row.samples, len(times)
    yield "time_us_median", row.time_us_median, median(times) if times else None
    yield "time_us_iqr", row.time_us_iqr, interquartile_range(times) if times else None
    if row.pct_noise is not None:
        yield "pct_noise", row.pct_noise, 100 * median_noise(times) if times else None


OF_LINES = {"async_copy_global": "async_copy", "async_copy_shared": "async_copy"}
"""Two ends of one operation are lines of their own, and one total."""


def _counts(row: Row) -> Iterator[Recomputed]:
    """Totals of transactions, and of the ideal ones, as their source lines add up to."""
    counts = row.counts or {}
    actual: Counter[tuple[str, str]] = Counter()
    ideal: Counter[tuple[str, str]] = Counter()
    for line in counts.get("lines") or []:
        key = OF_LINES.get(line["operation"], line["operation"]), line["unit"]
        actual[key] += line["units"]
        ideal[key] += line["ideal"]
    for operation, unit in actual:
        total = counts.get(operation) or {}
        name = "ideal_wavefronts" if unit == "wavefronts" and "ideal_wavefronts" in total else "ideal"
        yield f"counts.{operation}.{unit}", total.get(unit), actual[operation, unit]
        yield f"counts.{operation}.{name}", total.get(name), ideal[operation, unit]


def read_samples(path: Path) -> list[float]:
    """Raw times of a row in microseconds; [] without a file. Raises RunFolderError for a file that holds no times."""
    if not path.is_file():
        return []
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return [float(time) for time in (stored["time_us"] if isinstance(stored, dict) else stored)]
    except (ValueError, TypeError, KeyError) as error:
        raise RunFolderError(f"{path} is not a list of times", "delete the file or sweep again") from error
