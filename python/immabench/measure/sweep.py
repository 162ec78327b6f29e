"""The sweep: carry out a plan row by row into a run folder, each case in a worker process, here or on a dask worker."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.hardware import device_of, machine_summary
from immabench.measure.case import Job, as_other_case
from immabench.measure.plan import Planned, Selection
from immabench.measure.rows import RETRIED_STATUSES, Row
from immabench.measure.run_folder import RunFolder, utc_now
from immabench.measure.timer import Criterion
from immabench.measure.worker_process import WorkerProcess
from immabench.provenance import git_state

if TYPE_CHECKING:
    from immabench.measure.scheduler import Scheduler

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
    gpu_timer: str = "auto"
    """One of `timers.GPU_TIMERS`."""


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
    repeated = RETRIED_STATUSES if retry else ()
    done = {identity for identity, status in folder.statuses().items() if status not in repeated}
    return [planned for planned in plan if planned.job.identity not in done]


def run_sweep(
    plan: Sequence[Planned], folder: RunFolder, limits: Limits, scheduler: Scheduler | None = None
) -> Generator[Row]:
    """Carry out `plan`, yielding each row after it is on disk. Closing the iterator ends the workers.

    Rows come in the plan's order; with a `scheduler`, those of timed CPU jobs first and the others as they are done.
    """
    known = _Known(plan, folder)
    with WorkerProcess() as worker:
        if limits.measure_ceilings:
            _store_ceilings(worker, plan, folder)
        rows = _in_order(plan, known, worker, folder, limits)
        if scheduler is not None:
            rows = _side_by_side(plan, known, worker, folder, limits, scheduler)
        for row in rows:
            folder.append(row)
            yield row


def finish(folder: RunFolder) -> None:
    """Close the run: the time, then `rows.csv`."""
    folder.write_meta(finished_utc=utc_now())
    folder.write_csv()


class _Known:
    """Measurements that a later job of the plan will want again: one problem may belong to several cases.

    Others are on disk and forgotten: 100,000 rows do not fit.
    """

    def __init__(self, plan: Sequence[Planned], folder: RunFolder) -> None:
        self._wanted = Counter(planned.job.row_id for planned in plan if not planned.skip)
        self._rows = {row.row_id: row for row in self._of(folder)}

    def _of(self, folder: RunFolder) -> Iterator[Row]:
        """Rows of an earlier sweep into this folder that the plan asks for again."""
        dead = (*RETRIED_STATUSES, "skipped")
        usable = {identity for identity, status in folder.statuses().items() if status not in dead}
        if any(row_id in self._wanted for _, _, row_id in usable):
            yield from (row for row in folder.each() if row.row_id in self._wanted and row.identity in usable)

    def row(self, planned: Planned) -> Row | None:
        """The row of a job that need not run: it is skipped, or its problem is measured already."""
        job = planned.job
        if planned.skip:
            return job.row("skipped", planned.skip)
        self._wanted[job.row_id] -= 1
        row = self._rows.get(job.row_id)
        if not self._wanted[job.row_id]:
            self._rows.pop(job.row_id, None)
        return None if row is None else as_other_case(row, job)

    def learn(self, row: Row) -> None:
        """Keep a fresh row while a later job wants it."""
        if self._wanted[row.row_id]:
            self._rows[row.row_id] = row


def _in_order(
    plan: Sequence[Planned], known: _Known, worker: WorkerProcess, folder: RunFolder, limits: Limits
) -> Iterator[Row]:
    for planned in plan:
        row = known.row(planned)
        if row is None:
            reply = worker.answer(_request(planned.job, folder, limits), limits.timeout_seconds)
            row = _row_of(reply, planned.job, folder)
            known.learn(row)
        yield row


def _side_by_side(
    plan: Sequence[Planned],
    known: _Known,
    worker: WorkerProcess,
    folder: RunFolder,
    limits: Limits,
    scheduler: Scheduler,
) -> Iterator[Row]:
    """First what is skipped, then timed CPU jobs in one lane here, then each other kind on the scheduler's workers."""
    from immabench.measure.scheduler import PARALLEL_KINDS

    to_run: list[Planned] = []
    for planned in plan:
        row = known.row(planned) if planned.skip else None
        if row is not None:
            yield row
        else:
            to_run.append(planned)
    lane = [planned for planned in to_run if planned.job.device_kind not in PARALLEL_KINDS]
    yield from _in_order(lane, known, worker, folder, limits)
    worker.stop()
    for kind in PARALLEL_KINDS:
        yield from _on_workers(
            kind, [one for one in to_run if one.job.device_kind == kind], known, folder, limits, scheduler
        )


def _on_workers(
    kind: str, plan: Sequence[Planned], known: _Known, folder: RunFolder, limits: Limits, scheduler: Scheduler
) -> Iterator[Row]:
    """The rows of jobs of one device kind, as they are done; of jobs with one problem only the first runs."""
    leaders: dict[str, Job] = {}
    followers: dict[str, list[Planned]] = {}
    for planned in plan:
        job = planned.job
        if job.row_id in leaders:
            followers.setdefault(job.row_id, []).append(planned)
        elif (row := known.row(planned)) is not None:
            yield row
        else:
            leaders[job.row_id] = job
    if not leaders:
        return
    jobs = list(leaders.values())
    requests = ((number, _request(job, folder, limits)) for number, job in enumerate(jobs))
    for number, reply in scheduler.answers(kind, requests, limits.timeout_seconds):
        row = _without_foreign_roof(_row_of(reply, jobs[number], folder))
        yield row
        yield from (as_other_case(row, planned.job) for planned in followers.get(row.row_id, ()))


def _without_foreign_roof(row: Row) -> Row:
    """A share of the roof holds for the model of GPU whose roof was measured: this machine's."""
    if row.pct_roof is None or row.device == device_of(row.device_kind).name:
        return row
    return row.model_copy(update={"pct_roof": None})


def _request(job: Job, folder: RunFolder, limits: Limits) -> dict[str, Any]:
    ceilings = (folder.meta["ceilings"] or {}).get(job.device_kind)
    how = {"criterion": asdict(limits.criterion), "timer": limits.gpu_timer}
    return {"do": "row", "job": job.as_dict(), "ceilings": ceilings, **how}


def _row_of(reply: dict[str, Any], job: Job, folder: RunFolder) -> Row:
    """The row that an answer is; raw times go to the folder."""
    for status in ("timeout", "crashed", "error"):
        if status in reply:
            return job.row(status, reply[status])
    if reply["times_us"]:
        folder.write_samples(job.row_id, reply["times_us"])
    return Row.model_validate(reply["row"])


def _store_ceilings(worker: WorkerProcess, plan: Sequence[Planned], folder: RunFolder) -> None:
    """Measure the roof of every device the plan times, once a run; what cannot be measured is said on stderr."""
    stored = dict(folder.meta["ceilings"] or {})
    timed = {planned.job.device_kind for planned in plan if not planned.skip} - {"emulated", *stored}
    for kind in sorted(timed):
        print(f"measuring the roof of {kind} first", file=sys.stderr)
        reply = worker.answer({"do": "ceilings", "device": kind}, CEILINGS_TIMEOUT_SECONDS)
        if "ceilings" in reply:
            stored[kind] = reply["ceilings"]
        else:
            print(f"no ceilings of {kind}, so no share of a roof: {next(iter(reply.values()))}", file=sys.stderr)
    folder.write_meta(ceilings=stored or None)
