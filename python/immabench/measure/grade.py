"""How well the model of kernel time foretold the rows of a run, and whether it would have chosen the fastest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from immabench.errors import ImmabenchError, NothingSelectedError
from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.measured_machine import machine_of_run
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.measure.statistics import geometric_mean, rank_correlation
from immabench.predict import Figure, Machine, predicted

PROVIDER = "handwritten"


@dataclass(frozen=True)
class GradedRow:
    """One timed row beside its prediction; `ratio` is predicted over measured, `bound` what the model blames."""

    suite: str
    case: str
    shape: str
    row_id: str
    kernel_id: str
    measured_us: float
    predicted_us: float
    bound: str

    @property
    def ratio(self) -> float:
        return self.predicted_us / self.measured_us


@dataclass(frozen=True)
class GradedCase:
    """The rows of one case: what the model would have chosen, and what was fastest.

    `loss` is how much longer the chosen one took than the fastest, 0 where it is the fastest. `correlation` is that of
    the ranks of predicted and measured times; None for fewer than two rows, or where all are equal.
    """

    suite: str
    case: str
    rows: int
    chosen: str
    fastest: str
    loss: float
    correlation: float | None


@dataclass(frozen=True)
class Grade:
    """Every timed GPU row of the hand-written kernels of a run, graded; `left_out` names the others and why."""

    run: str
    rows: tuple[GradedRow, ...]
    cases: tuple[GradedCase, ...]
    left_out: tuple[tuple[str, str], ...]
    assumptions: dict[str, tuple[Figure, ...]]
    """By device name."""

    @property
    def geometric_mean(self) -> float:
        """Of predicted over measured."""
        return geometric_mean([row.ratio for row in self.rows])

    @property
    def worst(self) -> GradedRow:
        """The row whose ratio is farthest from 1, above or below."""
        return max(self.rows, key=lambda row: abs(math.log(row.ratio)))

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        rows = [{**asdict(row), "ratio": row.ratio} for row in self.rows]
        summary = {"geometric_mean": self.geometric_mean, "worst": self.worst.row_id}
        return {"kind": "predicted against measured", **summary, **asdict(self), "rows": rows}


def grade_run(path: Path) -> Grade:
    """Grade the predictions on a run folder, on the machine that the run measured.

    Raises RunFolderError for what is no run, NothingSelectedError for a run without a timed GPU row of these kernels.
    """
    folder = RunFolder.open(path)
    timed = [row for row in folder.each(lines=False) if _is_timed(row)]
    if not timed:
        raise NothingSelectedError(
            f"{path} has no timed row of the hand-written kernels on a GPU",
            f"sweep on a GPU machine: immabench sweep SUITE --device cuda --provider {PROVIDER}",
        )
    machines = {name: machine_of_run(folder.meta, name) for name in dict.fromkeys(row.device for row in timed)}
    return grade_rows(str(path), timed, machines)


def grade_rows(run: str, rows: Sequence[Row], machines: dict[str, Machine]) -> Grade:
    """Grade timed rows; `machines` by the name of their device. Raises NothingSelectedError where none can be."""
    configs = {config.id: config for config in kernel_configs()}
    graded: list[GradedRow] = []
    left_out: list[tuple[str, str]] = []
    for row in rows:
        try:
            graded.append(_graded(row, configs, machines[row.device]))
        except ImmabenchError as error:
            left_out.append((row.row_id, error.message))
    if not graded:
        raise NothingSelectedError(f"no row of {run} can be predicted: {left_out[0][1]}", "grade it with its own build")
    assumptions = {name: machine.figures for name, machine in machines.items()}
    return Grade(run, tuple(graded), tuple(_cases(graded)), tuple(left_out), assumptions)


def _is_timed(row: Row) -> bool:
    timed = row.status == "ok" and row.time_us_median is not None and row.step == "compute"
    return timed and row.device_kind == "cuda" and row.provider == PROVIDER


def _graded(row: Row, configs: dict[str, KernelConfig], machine: Machine) -> GradedRow:
    if row.kernel_id not in configs:
        raise NothingSelectedError(f"this build has no {row.kernel_id}")
    found = predicted(configs[row.kernel_id], row.problem, machine)
    assert row.time_us_median is not None
    named = (row.suite, row.case, row.problem.shape, row.row_id, row.kernel_id)
    return GradedRow(*named, row.time_us_median, found.time_us, found.bound)


def _cases(rows: Iterable[GradedRow]) -> Iterable[GradedCase]:
    """One a suite and case, in the order of their names."""
    ordered = sorted(rows, key=_case_of)
    for _, of_case in groupby(ordered, key=_case_of):
        yield _case(list(of_case))


def _case_of(row: GradedRow) -> tuple[str, str]:
    return row.suite, row.case


def _case(rows: Sequence[GradedRow]) -> GradedCase:
    chosen = min(rows, key=lambda row: (row.predicted_us, row.kernel_id))
    fastest = min(rows, key=lambda row: (row.measured_us, row.kernel_id))
    measured, foretold = [row.measured_us for row in rows], [row.predicted_us for row in rows]
    return GradedCase(
        suite=chosen.suite,
        case=chosen.case,
        rows=len(rows),
        chosen=chosen.kernel_id,
        fastest=fastest.kernel_id,
        loss=chosen.measured_us / fastest.measured_us - 1,
        correlation=rank_correlation(measured, foretold) if len(rows) > 1 else None,
    )
