"""`immabench profile`: counters of a GPU for rows of a run, or for one kernel; reports of Nsight Compute imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from immabench.cli.options import (
    CaseOption,
    EmulateBudgetOption,
    JsonOption,
    KernelOfRunOption,
    OutputTypeOption,
    WithOption,
)

if TYPE_CHECKING:
    from immabench.measure.run_folder import RunFolder
    from immabench.profile.actions import Action
    from immabench.profile.session import Outcome, Work

NUMERIC = ("us", "tensor %", "DRAM %", "L2 %")
COLUMNS = ("kernel", "problem", *NUMERIC, "top stall", "first rule")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("profile")(profile)


def profile(
    run: Path = typer.Argument(None, help="A run folder: its rows are profiled, or what is imported is filed there."),
    kernel: KernelOfRunOption = [],
    case: CaseOption = [],
    top: int = typer.Option(None, "--top", min=1, help="So many rows, those with most time first; 5 without a glob."),
    shape: str = typer.Option("", "--shape", metavar="MxNxK", help="Without RUN: the problem of the one --kernel."),
    output_type: OutputTypeOption = "f16",
    with_: WithOption = [],
    preset: str = typer.Option("roofline", "--preset", help="What to collect: roofline, memory or full."),
    ncu: Path = typer.Option(None, "--ncu", metavar="PATH", help="Nsight Compute's ncu; else that of the PATH."),
    chip: str = typer.Option("", "--chip", help="Take the metrics of this chip (gh100), not of the GPU here."),
    name: str = typer.Option("", "--name", help="Of the files written; the preset's by default."),
    out: Path = typer.Option(None, "--out", metavar="DIR", help="Where files go without RUN: ./profile by default."),
    print_command: bool = typer.Option(
        False, "--print-command", help="Write the plan, print the command, run nothing."
    ),
    import_: Path = typer.Option(None, "--import", metavar="FILE", help="Import this report; needs no GPU."),
    emulate: bool = typer.Option(False, "--emulate", help="Emulate what is profiled too, to compare counts."),
    emulate_budget: EmulateBudgetOption = 0.5,
    check_metrics: bool = typer.Option(False, "--check-metrics", help="Say which metrics ncu lacks on the chip."),
    json: JsonOption = False,
) -> None:
    """Profile launches with Nsight Compute, one a row, and join what it counted to the rows.

    Exits 1 when a launch was wrong, 5 when nothing matches, 77 without ncu, a GPU or the right to read its counters.

    Example: immabench profile runs/first --kernel 'wgmma*' --preset memory

    Example: immabench profile --import roofline.ncu-rep runs/first
    """
    from immabench.errors import UsageError
    from immabench.profile.metrics import load_preset

    if check_metrics:
        _check_metrics(ncu, chip)
        return
    chosen = load_preset(preset)
    folder = _opened(run)
    if import_ is not None:
        _finish(_imported(import_, folder, out), folder, emulate_budget if emulate else None, json)
        return
    if folder is None and not (len(kernel) == 1 and shape):
        raise UsageError("nothing to profile", "name a run folder, or give one --kernel ID and its --shape")
    if folder is not None and shape:
        raise UsageError("--shape is for a kernel without RUN", "leave out the run folder, or choose by --case")
    if folder is not None:
        from immabench.profile.session import arrange_run

        work = arrange_run(folder, chosen, kernel, case, top, name)
    else:
        work = _one_kernel(kernel[0], shape, output_type, with_, chosen.name, name, out)
    if print_command:
        _print_commands(work, ncu, chip or _chip_of(folder))
        return
    _finish(_profiled(work, ncu, chip), folder, emulate_budget if emulate else None, json)


def _opened(run: Path | None) -> RunFolder | None:
    from immabench.e2e.folder import is_e2e
    from immabench.errors import UsageError
    from immabench.measure.run_folder import RunFolder

    folder = None if run is None else RunFolder.open(run)
    if folder is not None and is_e2e(folder.meta):
        raise UsageError(f"{run} holds whole models, not launches", "name a folder that `immabench sweep` wrote")
    return folder


def _one_kernel(
    kernel: str, shape: str, output_type: str, options: Sequence[str], preset: str, name: str, out: Path | None
) -> list[Work]:
    from immabench.profile.metrics import load_preset
    from immabench.profile.selection import one_job
    from immabench.profile.session import arrange
    from immabench.suites import parse_options

    job = one_job(kernel, shape, output_type, parse_options(options))
    return arrange([job], out or Path("profile"), name or preset, load_preset(preset))


def _chip_of(folder: RunFolder | None) -> str | None:
    """The chip of the GPU here, else of the run's machine; None, which is said, where neither has one that is known."""
    from immabench.profile.preflight import chip_of, present_chip

    found = present_chip() or (chip_of(folder.meta["machine"]["gpus"]) if folder else None)
    if found is None:
        print("no GPU is known here: only metrics that every chip has; --chip gh100 adds a chip's own", file=sys.stderr)
    return found


def _print_commands(work: Sequence[Work], given: Path | None, chip: str | None) -> None:
    from immabench.profile.preflight import find_ncu
    from immabench.profile.session import commands

    for one in work:
        print(f"the launches are in {one.session.plan}", file=sys.stderr)
    for command in commands(work, find_ncu(given), chip):
        print(command)


def _profiled(work: Sequence[Work], given: Path | None, chip: str) -> Outcome:
    from immabench.profile.preflight import preflight, present_chip
    from immabench.profile.session import carry_out

    found = preflight(given)
    profiler = found.require()
    if found.said:
        print(found.said, file=sys.stderr)
    launches = sum(len(one.jobs) for one in work)
    print(f"profiling {launches} launches with {profiler.name}", file=sys.stderr)
    return carry_out(work, profiler.path, chip or present_chip())


def _imported(report: Path, folder: RunFolder | None, out: Path | None) -> Outcome:
    from immabench.profile.actions import PROFILE_FOLDER, SUFFIX, write_file
    from immabench.profile.reports import import_report
    from immabench.profile.session import Outcome

    actions = import_report(report)
    target = folder.path / PROFILE_FOLDER if folder else out or report.parent
    return Outcome(actions, files=[write_file(target / f"{report.stem}{SUFFIX}", actions)])


def _finish(outcome: Outcome, folder: RunFolder | None, emulate_gmac: float | None, json: bool) -> None:
    """Emulate where that is asked for, renew the run's report, say what there is; exit 1 for a launch that failed."""
    if folder is not None:
        from immabench.profile.agreement import emulate_missing
        from immabench.report import build_report

        if emulate_gmac is not None:
            emulate_missing(folder, outcome.actions, emulate_gmac)
        build_report(folder.path)
    _print(outcome, json)
    for launched in outcome.failed:
        print(f"{launched.row_id}: {launched.status}: {launched.reason}", file=sys.stderr)
    if outcome.failed:
        raise typer.Exit(1)


def _print(outcome: Outcome, json: bool) -> None:
    from immabench.cli.output import print_json, print_table

    if json:
        actions = [action.model_dump(mode="json") for action in outcome.actions]
        launches = [vars(launched) for launched in outcome.launches]
        print_json({"files": [str(path) for path in outcome.files], "actions": actions, "launches": launches})
        return
    print_table("", COLUMNS, map(_cells, outcome.actions), NUMERIC)
    foreign = sum(not action.row_id for action in outcome.actions)
    others = f", {foreign} of no row" if foreign else ""
    print(f"{len(outcome.actions)} actions{others}: {', '.join(map(str, outcome.files))}")


def _cells(action: Action) -> tuple[str, ...]:
    from immabench.readable import number

    shares = (action.metrics.get(name) for name in ("tensor_active", "dram_throughput", "l2_throughput"))
    problem = f"{action.problem_key} #{action.index}" if action.index else action.problem_key
    figures = (number(action.duration_us), *map(number, shares))
    return (action.kernel_id or action.function, problem or "-", *figures, action.stall_text, action.rule_text)


def _check_metrics(given: Path | None, chip: str) -> None:
    from immabench.errors import MissingHardwareError
    from immabench.profile.metrics import lacking
    from immabench.profile.ncu import query_metrics
    from immabench.profile.preflight import INSTALL_NCU, find_ncu, present_chip

    path, asked = find_ncu(given), chip or present_chip()
    if path is None:
        raise MissingHardwareError("Nsight Compute's ncu is not on PATH or where toolkits put it", INSTALL_NCU)
    names = query_metrics(path, asked)
    missing = lacking(names, asked)
    for metric in missing:
        print(f"{metric.name}: {path} has no {metric.on(asked)} on {asked or 'the GPU here'}")
    print(f"{len(names)} metrics known to {path}, {len(missing)} of ours missing", file=sys.stderr)
    if missing:
        raise typer.Exit(1)
