"""`immabench sweep`: measure suites and shapes into a run folder, row by row."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from immabench.cli.options import (
    CaseOption,
    EmulateBudgetOption,
    ForceOption,
    JsonOption,
    OutputTypeOption,
    OutRunOption,
    SeedOption,
    WithOption,
)

if TYPE_CHECKING:
    from immabench.measure.plan import Planned, Selection
    from immabench.measure.run_folder import RunFolder
    from immabench.measure.scheduler import Scheduler
    from immabench.measure.sweep import Limits

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


SuitesArgument = Annotated[
    list[str], typer.Argument(help="Names of suites or TOML files; see `immabench list suites`.")
]
ShapesOption = Annotated[
    list[str],
    typer.Option(
        "--shape",
        metavar="MxNxK",
        help="Shapes, each size an axis: 1,16xpow2:64:512x4096, or 1x56x56x64_f3_p1_n64 of a convolution; repeatable.",
    ),
]
KernelsOption = Annotated[
    list[str], typer.Option("--kernel", metavar="GLOB", help="Exactly these kernels; repeatable.")
]
ProvidersOption = Annotated[list[str], typer.Option("--provider", help="Only these providers; repeatable.")]
DevicesOption = Annotated[
    list[str], typer.Option("--device", help="emulated, cpu or cuda; repeatable. What is here by default.")
]
TopOption = Annotated[int, typer.Option("--top", min=1, help="Tile configurations to try a case, best ranked first.")]
StepsOption = Annotated[
    list[str], typer.Option("--step", help="compute or pack: only rows of this step; both by default.")
]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, help="Longest a case may take, seconds.")]
TimeBudgetOption = Annotated[
    float, typer.Option("--time-budget", min=0.01, help="Longest the timer samples a case, seconds.")
]
TimerOption = Annotated[
    str, typer.Option("--timer", help="On a GPU: nvbench, (CUDA) events, or auto: nvbench where it loads.")
]
CeilingsOption = Annotated[bool, typer.Option(help="Measure this machine's roof first, a few seconds.")]
SchedulerOption = Annotated[
    str,
    typer.Option("--scheduler", metavar="local|ADDRESS", help="Run jobs on dask workers: here, or of tcp://host:port."),
]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", metavar="PRESET", help="Then profile rows of a GPU: roofline, memory or full."),
]
ProfileTopOption = Annotated[int | None, typer.Option("--profile-top", min=1, help="So many rows; 5 by default.")]
ResumeOption = Annotated[Path | None, typer.Option("--resume", metavar="RUN", help="Continue this run folder.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="With --resume: repeat rows that crashed or timed out.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan and measure nothing.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("sweep")(sweep)


def sweep(
    suite: SuitesArgument = [],
    shape: ShapesOption = [],
    output_type: OutputTypeOption = "f16",
    with_: WithOption = [],
    case: CaseOption = [],
    kernel: KernelsOption = [],
    provider: ProvidersOption = [],
    device: DevicesOption = [],
    top: TopOption = 2,
    step: StepsOption = [],
    emulate_budget: EmulateBudgetOption = 0.5,
    seed: SeedOption = 0,
    timeout: TimeoutOption = 120.0,
    time_budget: TimeBudgetOption = 0.5,
    timer: TimerOption = "auto",
    ceilings: CeilingsOption = True,
    scheduler: SchedulerOption = "",
    profile: ProfileOption = "",
    profile_top: ProfileTopOption = None,
    out: OutRunOption = None,
    resume: ResumeOption = None,
    retry: RetryOption = False,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Measure every case of suites and shapes into a run folder with a report.

    Exits 1 when a row failed, 5 when nothing matches, 77 without the hardware that was asked for.

    Example: immabench sweep resnet18 distilbert --case 'b1*' --out runs/first
    """
    from immabench.measure.plan import Selection
    from immabench.measure.sweep import Limits
    from immabench.measure.timer import Criterion

    asked = Selection(
        suites=tuple(suite),
        shapes=tuple(shape),
        cases=tuple(case),
        providers=tuple(provider),
        kernels=tuple(kernel),
        devices=tuple(device),
        output_type=output_type,
        options=tuple(with_),
        emulate_budget_gmac=emulate_budget,
        top=top,
        steps=tuple(_known_steps(step)),
        seed=seed,
        timer=timer,
    )
    folder = _resumed(resume, asked, out) if resume else None
    selection = Selection.from_dict(folder.meta["selection"]) if folder else asked
    plan = _planned(selection, profile)
    if dry_run:
        _print_plan(plan, json)
        return
    limits = Limits(timeout, Criterion(max_seconds=time_budget), ceilings, selection.timer)
    # Connected first: a scheduler that is not there leaves no run folder behind.
    with _connected(scheduler) as pool:
        profiling = _profiling(profile, profile_top) if profile else None
        _carry_out(plan, folder or _created(selection, out, force), limits, pool, retry, json, profiling)


def _known_steps(steps: Sequence[str]) -> Sequence[str]:
    from typing import get_args

    from immabench.errors import UsageError
    from immabench.providers.base import Step

    for step in steps:
        if step not in get_args(Step):
            raise UsageError(f"unknown step {step!r}", f"choose one of {', '.join(get_args(Step))}")
    return steps


def _planned(selection: Selection, profile: str) -> list[Planned]:
    """The plan, where the timer and the preset are there too: all that a person gave is looked at before anything."""
    from immabench.errors import UsageError
    from immabench.measure.plan import make_plan
    from immabench.measure.timers import require_timer
    from immabench.profile.metrics import load_preset

    if profile:
        load_preset(profile)
    if not selection.suites and not selection.shapes:
        raise UsageError("nothing to sweep", "name a suite (`immabench list suites`) or give --shape MxNxK")
    require_timer(selection.timer)
    return make_plan(selection)


def _resumed(run: Path, asked: Selection, out: Path | None) -> RunFolder:
    from immabench.errors import RunFolderError, UsageError
    from immabench.measure.plan import Selection
    from immabench.measure.run_folder import RunFolder

    if asked != Selection() or out is not None:
        raise UsageError("--resume continues a run as it was asked for", "leave out suites, filters and --out")
    folder = RunFolder.open(run)
    if not isinstance(folder.meta.get("selection"), dict):
        raise RunFolderError(f"{run / 'run.json'} does not say what was selected", "sweep again")
    folder.drop_torn_line()
    return folder


def _created(selection: Selection, out: Path | None, force: bool) -> RunFolder:
    from immabench.measure.run_folder import RunFolder, new_run_path
    from immabench.measure.sweep import run_meta

    tag = "+".join([*(Path(name).stem for name in selection.suites), *(["shapes"] if selection.shapes else [])])
    argv = ["immabench", *sys.argv[1:]]  # where the program lies is no part of a run
    return RunFolder.create(out or new_run_path(tag), force, run_meta(selection, argv))


def _connected(scheduler: str) -> AbstractContextManager[Scheduler | None]:
    if not scheduler:
        return nullcontext()
    from immabench.measure.scheduler import connect

    return connect(scheduler)


def _profiling(preset: str, top: int | None) -> Callable[[RunFolder], None]:
    """What profiles the run after its sweep. What stands in the way is known, and said, before; timing goes on."""
    from immabench.profile.preflight import preflight
    from immabench.profile.session import after_sweep

    found = preflight()
    if found.said:
        print(found.said, file=sys.stderr)

    def profile(folder: RunFolder) -> None:
        said = after_sweep(folder, preset, top, found)
        if said["status"] in ("failed", "skipped"):
            print(f"profiling {said['status']}: {said['reason']}; {said['remedy']}", file=sys.stderr)

    return profile


def _carry_out(
    plan: Sequence[Planned],
    folder: RunFolder,
    limits: Limits,
    pool: Scheduler | None,
    retry: bool,
    json: bool,
    profiling: Callable[[RunFolder], None] | None = None,
) -> None:
    from immabench.cli.progress import shown
    from immabench.measure.sweep import finish, remaining, run_sweep
    from immabench.report import build_report

    todo = remaining(plan, folder, retry)
    try:
        with closing(run_sweep(todo, folder, limits, pool)) as rows:
            for _ in shown(rows, len(todo)):
                pass
    except KeyboardInterrupt:
        print(f"interrupted; continue with: immabench sweep --resume {folder.path}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    if profiling is not None:
        profiling(folder)
    finish(folder)
    failed = _print_outcome(folder, build_report(folder.path), json)
    if failed:
        raise typer.Exit(1)


def _print_outcome(folder: RunFolder, report: Path, json: bool) -> int:
    """Say how it went; returns the number of failed rows."""
    from immabench.cli.output import print_json
    from immabench.measure.rows import FAILED_STATUSES

    statuses = Counter(folder.statuses().values())
    failed = sum(statuses[status] for status in FAILED_STATUSES)
    total = sum(statuses.values())
    if json:
        counts = {"rows": total, "ok": statuses["ok"], "failed": failed, "skipped": statuses["skipped"]}
        print_json({"run": str(folder.path), **counts, "report": str(report)})
    else:
        print(f"{total} rows: {statuses['ok']} ok, {failed} failed, {statuses['skipped']} skipped")
        print(f"report: {report}")
    return failed


def _print_plan(plan: Sequence[Planned], json: bool) -> None:
    from immabench.cli.output import print_json, print_table

    entries = [{**planned.job.as_dict(), "row_id": planned.job.row_id, "skip": planned.skip} for planned in plan]
    skipped = sum(bool(planned.skip) for planned in plan)
    if json:
        print_json({"run": None, "rows": len(plan), "skipped": skipped, "plan": entries})
        return
    rows = ((entry["suite"], entry["case"], entry["row_id"], entry["skip"] or "run") for entry in entries)
    print_table("", ("suite", "case", "row", "plan"), rows)
    print(f"{len(plan)} rows, {len(plan) - skipped} to run, {skipped} skipped")
