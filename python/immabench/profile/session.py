"""Profiling from jobs to actions: a plan, the profiler over it, its report imported."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.errors import ImmabenchError, NothingSelectedError, UsageError
from immabench.profile import ncu
from immabench.profile.actions import PROFILE_FOLDER, Action, write_file
from immabench.profile.launches import Launched, read_launches, write_plan
from immabench.profile.metrics import Preset, load_preset
from immabench.profile.ncu import Session
from immabench.profile.preflight import Preflight, present_chip
from immabench.profile.reports import import_report
from immabench.profile.selection import chosen_rows, jobs_of

if TYPE_CHECKING:
    from immabench.measure.case import Job
    from immabench.measure.run_folder import RunFolder

WARM = "-warm"
"""At the end of the name of the session whose rows were timed on warm caches."""


@dataclass(frozen=True)
class Work:
    """One session with the jobs it profiles."""

    session: Session
    jobs: tuple[Job, ...]

    def prepare(self, profiler: Path | str, chip: str | None, python: str = sys.executable) -> list[str]:
        """Write the plan; returns the words of the command that profiles it."""
        write_plan(self.session.plan, self.jobs)
        return ncu.command(profiler, self.session, chip, python)


@dataclass
class Outcome:
    """What profiling left: actions, what became of each launch, and where both lie."""

    actions: list[Action] = field(default_factory=list)
    launches: list[Launched] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def failed(self) -> list[Launched]:
        """The launches that were wrong or did not happen."""
        return [launched for launched in self.launches if launched.status != "ok"]


def arrange(jobs: Sequence[Job], folder: Path, name: str, preset: Preset, warm: Sequence[bool] = ()) -> list[Work]:
    """Jobs dealt out to sessions in `folder`: ncu flushes the caches for all launches of a run of it, or for none.

    `warm` says of each job whether its row was timed on warm caches; none was where it is left out.
    """
    states = list(warm) or [False] * len(jobs)
    work = []
    for state in sorted(set(states)):
        session = Session(folder / (name + WARM * state), preset, state)
        work.append(Work(session, tuple(job for job, one in zip(jobs, states, strict=True) if one == state)))
    return work


def arrange_run(
    folder: RunFolder,
    preset: Preset,
    kernels: Sequence[str] = (),
    cases: Sequence[str] = (),
    top: int | None = None,
    name: str = "",
) -> list[Work]:
    """The work of profiling rows of a run; raises what `chosen_rows` and `jobs_of` raise."""
    rows = chosen_rows(folder.each(lines=False), kernels, cases, top)
    warm = [row.l2_state == "warm" for row in rows]
    return arrange(jobs_of(rows), folder.path / PROFILE_FOLDER, name or preset.name, preset, warm)


def commands(work: Sequence[Work], profiler: Path | None, chip: str | None) -> Iterator[str]:
    """The commands that do the work, for a shell; their plans are written.

    Without a profiler here they are for another machine: by the names that programs have on its PATH.
    """
    here = (profiler, chip, sys.executable) if profiler else ("ncu", chip, "python")
    return (shlex.join(one.prepare(*here)) for one in work)


def carry_out(work: Sequence[Work], profiler: Path, chip: str | None) -> Outcome:
    """Profile and import. Raises the failure of a session that left nothing to import, in one line."""
    outcome = Outcome()
    for one in work:
        failure = ncu.run(one.prepare(profiler, chip), one.session, len(one.jobs))
        actions = _imported(one.session, failure, outcome)
        outcome.launches += _accounted(one, actions)
        outcome.actions += actions
    return outcome


def _accounted(work: Work, actions: Sequence[Action]) -> list[Launched]:
    """What became of each job: as the profiled process says, but that none is called well that left no action."""
    said = {launched.row_id: launched for launched in read_launches(work.session.plan)}
    profiled = {action.row_id for action in actions}
    found = []
    for job in work.jobs:
        launched = said.get(job.row_id, Launched(job.row_id, "error", f"never launched; see {work.session.log}"))
        if launched.status == "ok" and job.row_id not in profiled:
            launched = Launched(job.row_id, "error", f"launched, and not profiled; see {work.session.log}")
        found.append(launched)
    return found


def _imported(session: Session, failure: ImmabenchError | None, outcome: Outcome) -> list[Action]:
    """The actions of a session's report, kept beside it."""
    try:
        actions = import_report(session.report, session.preset.name)
    except UsageError as error:
        raise failure or error from error
    outcome.files.append(write_file(session.actions, actions))
    return actions


def after_sweep(folder: RunFolder, preset_name: str, top: int | None, found: Preflight) -> dict[str, Any]:
    """Profile the rows of a sweep in which most time is spent, where nothing stands in the way.

    Never raises for what profiling does: timing went well. Returns, and leaves in `run.json` under "profile", what came
    of it: `status` "ok", "skipped" (no row to profile), "unavailable" or "failed", `reason` and `remedy`.
    """
    said: dict[str, Any] = {"preset": preset_name, "status": "ok", "reason": "", "remedy": "", "actions": 0}
    try:
        if found.fatal:
            said |= {"status": "unavailable", "reason": found.fatal.reason, "remedy": found.fatal.remedy}
        else:
            work = arrange_run(folder, load_preset(preset_name), top=top)
            outcome = carry_out(work, found.require().path, present_chip())
            said |= {"actions": len(outcome.actions), **_said_of(outcome)}
    except NothingSelectedError as error:
        said |= {"status": "skipped", "reason": error.message, "remedy": error.remedy}
    except ImmabenchError as error:
        said |= {"status": "failed", "reason": error.message, "remedy": error.remedy}
    folder.write_meta(profile=said)
    return said


def _said_of(outcome: Outcome) -> dict[str, str]:
    if not outcome.failed:
        return {}
    first, share = outcome.failed[0], f"{len(outcome.failed)} of {len(outcome.launches)} launches failed"
    return {
        "status": "failed",
        "reason": f"{share}, first {first.row_id}: {first.reason}",
        "remedy": "verify the kernel",
    }
