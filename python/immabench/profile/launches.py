"""The process that is profiled: one launch of each job of a plan, in its NVTX range, everything else outside of it.

    ncu ... python -m immabench.profile.launches PLAN.json

Each job is a `Trial` as a sweep makes it: the same operands of the same seed. What it computed is judged outside the
range, and what became of each job is written beside the plan. A job that fails ends nothing but itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.errors import ImmabenchError, UsageError

if TYPE_CHECKING:
    from immabench.measure.case import Job

SCHEMA_VERSION = 1
PLAN_SUFFIX, LAUNCHES_SUFFIX = ".plan.json", ".launches.json"
MODULE = "immabench.profile.launches"


@dataclass(frozen=True)
class Launched:
    """What became of a job: `status` is that of a row, "ok", "incorrect" or "error"."""

    row_id: str
    status: str
    reason: str = ""


def write_plan(path: Path, jobs: Sequence[Job]) -> Path:
    """Write what the process is to launch; returns the path, which is its argument."""
    plan = {"schema_version": SCHEMA_VERSION, "jobs": [job.as_dict() for job in jobs]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
    return path


def read_plan(path: Path) -> list[Job]:
    """The jobs of `write_plan`. Raises UsageError for what is no plan."""
    from immabench.measure.case import Job

    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        if plan["schema_version"] != SCHEMA_VERSION:
            raise UsageError(f"{path} is not of schema {SCHEMA_VERSION}", "make it with this version")
        return [Job.from_dict(values) for values in plan["jobs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no plan ({error})", "make one with `immabench profile --print-command`") from error


def launches_path(plan: Path) -> Path:
    """Where the process says what became of the jobs of a plan."""
    return plan.with_name(plan.name.removesuffix(PLAN_SUFFIX) + LAUNCHES_SUFFIX)


def read_launches(plan: Path) -> list[Launched]:
    """What became of the jobs so far; empty where the process wrote nothing."""
    try:
        found: list[dict[str, Any]] = json.loads(launches_path(plan).read_text(encoding="utf-8"))["launches"]
    except (OSError, ValueError, KeyError):
        return []
    return [Launched(**values) for values in found]


def launch_all(plan: Path) -> list[Launched]:
    """Launch each job of a plan once. What is known is on disk before the next begins: it may end the process."""
    done: list[Launched] = []
    for job in read_plan(plan):
        done.append(launch(job))
        report = {"schema_version": SCHEMA_VERSION, "launches": [vars(one) for one in done]}
        launches_path(plan).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return done


def launch(job: Job) -> Launched:
    """Launch one job in its range and judge it. Never raises for what the job does."""
    from immabench.measure.case import one_line, trial_of
    from immabench.profile.ranges import profiled_range
    from immabench.providers.registry import load_provider

    try:
        trial = trial_of(job, load_provider(job.provider))
        _wait(job.device_kind)
        with profiled_range(job.row_id):
            trial.launch()
            _wait(job.device_kind)
        wrong = trial.judge()
    except ImmabenchError as error:
        return Launched(job.row_id, "error", str(error))
    except Exception as error:  # noqa: BLE001 - a provider may raise anything, and the other jobs go on
        return Launched(job.row_id, "error", one_line(error))
    return Launched(job.row_id, "incorrect" if wrong else "ok", wrong)


def _wait(device_kind: str) -> None:
    """For work queued on a GPU: what was set up has ended before the range begins, the launch before it ends."""
    if device_kind == "cuda":
        import torch

        torch.cuda.synchronize()


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 whatever the jobs did, for a profiler takes others for its own failure."""
    try:
        done = launch_all(Path(arguments[0]))
    except ImmabenchError as error:
        print(f"immabench: {error}", file=sys.stderr)
        return error.exit_code
    for one in done:
        print(f"{one.row_id}: {one.status}{': ' + one.reason if one.reason else ''}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
