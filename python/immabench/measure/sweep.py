"""The sweep: carry out a plan row by row into a run folder, each case in the worker process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from immabench.hardware import machine_summary
from immabench.measure.case import Job, as_other_case
from immabench.measure.plan import Planned, Selection
from immabench.measure.rows import RETRIED_STATUSES, Row
from immabench.measure.run_folder import RunFolder, utc_now
from immabench.measure.timer import Criterion
from immabench.measure.worker_process import WorkerCrashError, WorkerProcess, WorkerTimeoutError
from immabench.provenance import git_state

PACKAGES = ("immabench", "numpy", "torch", "pydantic", "nvtx", "cuda-bench")
"""Whose versions `run.json` records, where installed."""

CEILINGS_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Limits:
    """How long a case may take: `timeout_seconds` in all, and the timer's stopping criterion."""

    timeout_seconds: float = 120.0
    criterion: Criterion = field(default_factory=Criterion)
    measure_ceilings: bool = True
    """False leaves out the roof: seconds saved, and no row knows its share of it."""


def run_meta(selection: Selection, argv: Sequence[str]) -> dict[str, Any]:
    """What `run.json` says before the first row: how it was asked for, and on what."""
    return {
        "argv": list(argv),
        "started_utc": utc_now(),
        "finished_utc": None,
        "git": git_state(Path(__file__).parent),
        "versions": {"python": sys.version.split()[0], **_versions()},
        "machine": machine_summary(),
        "seed": selection.seed,
        "suite": "+".join([*selection.suites, *(["shapes"] if selection.shapes else [])]),
        "selection": selection.as_dict(),
        "ceilings": None,
    }


def _versions() -> dict[str, str]:
    installed = {name: _version(name) for name in PACKAGES}
    return {name: version for name, version in installed.items() if version is not None}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def remaining(plan: Sequence[Planned], folder: RunFolder, retry: bool = False) -> list[Planned]:
    """What of `plan` the folder has no row for; with `retry` also rows whose process died."""
    kept = (row for row in folder.rows() if not (retry and row.status in RETRIED_STATUSES))
    done = {row.identity for row in kept}
    return [planned for planned in plan if planned.job.identity not in done]


def run_sweep(plan: Sequence[Planned], folder: RunFolder, limits: Limits) -> Iterator[Row]:
    """Carry out `plan`, yielding each row after it is on disk. Closing the iterator ends the worker."""
    measured = {row.row_id: row for row in folder.rows() if row.status not in (*RETRIED_STATUSES, "skipped")}
    with WorkerProcess() as worker:
        if limits.measure_ceilings:
            _store_ceilings(worker, plan, folder)
        for planned in plan:
            job = planned.job
            if planned.skip:
                row = job.row("skipped", planned.skip)
            elif job.row_id in measured:
                row = as_other_case(measured[job.row_id], job)
            else:
                row = measured[job.row_id] = _run(worker, job, folder, limits)
            folder.append(row)
            yield row


def finish(folder: RunFolder) -> Path:
    """Close the run: the time, `rows.csv` and the report. Returns the report's path."""
    from immabench.report import build_report

    folder.write_meta(finished_utc=utc_now())
    folder.write_csv()
    return build_report(folder.path)


def _run(worker: WorkerProcess, job: Job, folder: RunFolder, limits: Limits) -> Row:
    ceilings = (folder.meta["ceilings"] or {}).get(job.device_kind)
    request = {"do": "row", "job": job.as_dict(), "ceilings": ceilings, "criterion": asdict(limits.criterion)}
    try:
        reply = worker.ask(request, limits.timeout_seconds)
    except WorkerTimeoutError:
        return job.row("timeout", f"no result within {limits.timeout_seconds:g} s; raise --timeout or drop the case")
    except WorkerCrashError as crash:
        return job.row("crashed", str(crash))
    if "error" in reply:
        return job.row("error", reply["error"])
    if reply["times_us"]:
        folder.write_samples(job.row_id, reply["times_us"])
    return Row.model_validate(reply["row"])


def _store_ceilings(worker: WorkerProcess, plan: Sequence[Planned], folder: RunFolder) -> None:
    """Measure the roof of every device the plan times, once a run; what cannot be measured is said on stderr."""
    stored = dict(folder.meta["ceilings"] or {})
    timed = {planned.job.device_kind for planned in plan if not planned.skip} - {"emulated", *stored}
    for kind in sorted(timed):
        print(f"measuring the roof of {kind} first", file=sys.stderr)
        try:
            reply = worker.ask({"do": "ceilings", "device": kind}, CEILINGS_TIMEOUT_SECONDS)
        except (WorkerCrashError, WorkerTimeoutError) as error:
            reply = {"error": str(error)}
        if "ceilings" in reply:
            stored[kind] = reply["ceilings"]
        else:
            print(f"no ceilings of {kind}, so no share of a roof: {reply['error']}", file=sys.stderr)
    folder.write_meta(ceilings=stored or None)
