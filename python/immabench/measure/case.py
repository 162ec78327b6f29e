"""One case of a sweep: prepare, launch, judge, time, judge again on fresh operands; whatever happens is a row."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.hardware import cache_bytes, device_of, physical_peak_tops
from immabench.measure.rows import Row
from immabench.measure.run_folder import utc_now
from immabench.measure.timer import Criterion, Timing, operand_sets
from immabench.measure.timers import make_timer
from immabench.measure.trial import Trial, judge_again, set_seed
from immabench.problems import Problem
from immabench.profile.ranges import nvtx_range
from immabench.providers.base import Provider, Step
from immabench.providers.registry import load_provider
from immabench.row_ids import RowId


@dataclass(frozen=True)
class Job:
    """One row to be: a problem of a suite, by one configuration of a provider, on one kind of device."""

    suite: str
    case: str
    calls: int
    problem: Problem
    provider: str
    kernel_id: str
    device_kind: str
    seed: int = 0
    step: Step = "compute"

    @property
    def row_id(self) -> str:
        """The id of the row this job becomes."""
        return str(RowId(self.kernel_id, self.problem.key, self.device_kind))

    @property
    def identity(self) -> tuple[str, str, str]:
        """As `Row.identity`."""
        return self.suite, self.case, self.row_id

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON takes it; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Job:
        """The job of `as_dict()`."""
        known = {field.name: values[field.name] for field in fields(cls)}
        return cls(**{**known, "problem": Problem.from_dict(values["problem"])})

    def row(self, status: str, reason: str = "", problem: Problem | None = None, **values: Any) -> Row:
        """A row of this job; `problem` as the provider states it, where that differs."""
        stated = problem or self.problem
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "problem"}
        described = {**stated.as_dict(), "asked": stated.differing(self.problem)}
        described |= {"flops_per_byte": stated.operations_per_byte, "started_utc": utc_now()}
        outcome = {"row_id": self.row_id, "status": status, "reason": reason}
        return Row.model_validate({**own, **described, **outcome, **values})


@dataclass(frozen=True)
class Outcome:
    """A row and the raw times behind it in microseconds, empty where nothing was timed."""

    row: Row
    times_us: tuple[float, ...] = ()


def run_job(
    job: Job, ceilings: dict[str, Any] | None = None, criterion: Criterion | None = None, gpu_timer: str = "auto"
) -> Outcome:
    """Run one job in this process. Never raises for what the case does: errors become the row's status and reason."""
    started = utc_now()
    try:
        return _measure(job, started, ceilings or {}, criterion or Criterion(), gpu_timer)
    except MissingHardwareError as error:
        return Outcome(job.row("skipped", str(error), started_utc=started))
    except ImmabenchError as error:
        return Outcome(job.row("error", str(error), started_utc=started))
    except Exception as error:  # noqa: BLE001 - a provider may raise anything, and a failing case is a row
        return Outcome(job.row("error", one_line(error), started_utc=started))


def _measure(job: Job, started: str, ceilings: dict[str, Any], criterion: Criterion, gpu_timer: str) -> Outcome:
    device, provider = device_of(job.device_kind), load_provider(job.provider)
    first = trial_of(job, provider, 0)
    wrong = _launch_and_judge(job, first)
    known = {**_launch_values(first), "device": device.name, "started_utc": started, "verified": not wrong}
    if wrong or not first.launchable.timed:
        return Outcome(job.row("incorrect" if wrong else "ok", wrong, **known))
    trials = [first, *(trial_of(job, provider, index) for index in range(1, _set_count(job, first)))]
    timing = _time(job, trials, criterion, gpu_timer)
    if not timing.times_us:
        return Outcome(job.row("invalid", timing.distrust, **known, discarded=timing.discarded))
    known |= timing_values(first.problem, timing, ceilings, job.step)
    with nvtx_range(job.row_id):
        wrong = judge_again(trials[: len(timing.times_us)], job.seed)
    if wrong:
        return Outcome(job.row("incorrect", f"after timing: {wrong}", **{**known, "verified": False}), timing.times_us)
    peak = physical_peak_tops(device, first.problem.a_type) if job.step == "compute" else None
    reason = timing.distrust or impossible_reason(first.problem, timing.median_us, peak)
    return Outcome(job.row("invalid" if reason else "ok", reason, **known), timing.times_us)


def trial_of(job: Job, provider: Provider, index: int = 0) -> Trial:
    """The trial of one operand set: each has values of its own, so that launching on the wrong set shows."""
    return Trial(provider, job.problem, job.kernel_id, job.device_kind, set_seed(job.seed, index), job.step)


def _launch_values(trial: Trial) -> dict[str, Any]:
    """The row's fields that a launch states about itself."""
    values: dict[str, Any] = {"problem": trial.problem, "backend": trial.launchable.backend}
    emulation = trial.launchable.emulation
    if emulation is None:
        return values
    counts = {**emulation.counts, "lines": emulation.lines}
    return {**values, "counts": counts, "hazards": emulation.hazard_total}


def _launch_and_judge(job: Job, trial: Trial) -> str:
    with nvtx_range(job.row_id):
        trial.launch()
    return trial.judge()


def _set_count(job: Job, trial: Trial) -> int:
    return operand_sets(trial.bytes_touched, cache_bytes(job.device_kind))


def _time(job: Job, trials: Sequence[Trial], criterion: Criterion, gpu_timer: str) -> Timing:
    around = functools.partial(nvtx_range, job.row_id)
    timer = make_timer(job.device_kind, criterion, trials[0].bytes_touched, gpu_timer, around)
    with around():
        return timer.time([trial.launch for trial in trials])


def timing_values(problem: Problem, timing: Timing, ceilings: dict[str, Any], step: Step = "compute") -> dict[str, Any]:
    """The row's fields that follow from a timing."""
    rates = _rates(problem, timing.median_us, ceilings) if step == "compute" else {}
    return {
        **rates,
        "time_us_median": timing.median_us,
        "time_us_iqr": timing.iqr_us,
        "samples": len(timing.times_us),
        "discarded": timing.discarded,
        "sm_clock_mhz": timing.gpu.sm_clock_mhz,
        "power_w": timing.gpu.power_w,
        "temperature_c": timing.gpu.temperature_c,
        "l2_state": timing.l2_state,
        "timed_by": timing.timed_by,
        "stopped_by": timing.stopped_by,
        "pct_noise": 100.0 * timing.noise if math.isfinite(timing.noise) else None,
        "time_us_batched": timing.batched_us,
    }


def _rates(problem: Problem, time_us: float, ceilings: dict[str, Any]) -> dict[str, Any]:
    """Rates over the problem's operations and compulsory bytes, and the share of the roof."""
    from immabench.measure.roof import roof_tops

    seconds = time_us * 1e-6
    tops = problem.operations / seconds / 1e12
    roof = roof_tops(ceilings, problem.a_type, problem.operations_per_byte)
    return {
        "tops": tops,
        "gbps": problem.bytes_moved / seconds / 1e9,
        "pct_roof": 100.0 * tops / roof if roof else None,
    }


def impossible_reason(problem: Problem, time_us: float, peak_tops: float | None) -> str:
    """Why a time cannot be true on hardware of that physical peak; empty when it can, or when no peak is known."""
    floor_us = problem.operations / (peak_tops * 1e6) if peak_tops else 0.0
    if time_us >= floor_us:
        return ""
    return f"{time_us:.3g} us is below the physical floor of {floor_us:.3g} us ({peak_tops:.3g} TOPS)"


def one_line(error: Exception) -> str:
    """An error as a row's reason says it: its type and text in one line of 300 characters at most."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]


def as_other_case(row: Row, job: Job) -> Row:
    """The row of `job` from the measurement of the same problem for another case."""
    return row.model_copy(update={"suite": job.suite, "case": job.case, "calls": job.calls})
