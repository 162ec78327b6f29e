"""`immabench predict`: what the model of kernel time says of a kernel and shape, or how well it foretold a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from immabench.cli.options import GpuOption, JsonOption, OutputTypeOption, WithOption

if TYPE_CHECKING:
    from immabench.measure.grade import Grade
    from immabench.predict import Figure, Machine, Prediction
    from immabench.problems import Problem

NOTICE = "predicted, not measured"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict")(predict)


def predict(
    kernel: str = typer.Argument(None, help="Id of a kernel; without it, all that run there are ranked."),
    shape: str = typer.Option(None, "--shape", metavar="MxNxK", help="The problem; or 1x56x56x64_f3_p1_n64, images."),
    output_type: OutputTypeOption = "f16",
    with_: WithOption = [],
    gpu: GpuOption = None,
    ceilings: Path = typer.Option(None, "--ceilings", metavar="RUN", help="The GPU of that run, as it was measured."),
    against: Path = typer.Option(None, "--against", metavar="RUN", help="Grade the model by the rows of a run."),
    top: int = typer.Option(3, "--top", min=1, help="How many of a ranking are shown with their terms."),
    json: JsonOption = False,
) -> None:
    """Predict the time of a kernel on a GPU by an analytic model, term by term. Nothing is run or measured.

    Every figure it computes with is listed with its source. With --against RUN the predictions are compared with what
    the run measured of the same kernels: the ratio of each row, and whether the model would have chosen the fastest.

    Example: immabench predict --shape 16x4096x4096 --gpu H200
    """
    from immabench.cli.output import print_json
    from immabench.measure.grade import grade_run

    _check(kernel, shape, gpu, ceilings, against)
    if against is not None:
        grade = grade_run(against)
        print_json(grade.as_dict()) if json else _print_grade(grade)
        return
    machine, problem = _machine(gpu, ceilings), _problem(kernel, shape, output_type, with_)
    found = _predictions(kernel, problem, machine)
    if json:
        print_json(_summary(found, problem, machine))
    else:
        _print(found, top, problem, machine)


def _check(kernel: str | None, shape: str | None, gpu: str | None, ceilings: Path | None, against: Path | None) -> None:
    from immabench.errors import UsageError

    if against is not None and (kernel or shape or gpu or ceilings):
        raise UsageError("--against takes kernels, shapes and GPU from the run", "leave out the others")
    if against is None and shape is None:
        raise UsageError("nothing to predict", "give --shape MxNxK, or --against RUN")
    if gpu and ceilings:
        raise UsageError("--gpu and --ceilings name two machines", "give one of them")


def _machine(gpu: str | None, ceilings: Path | None) -> Machine:
    from immabench.measure.measured_machine import machine_of_run
    from immabench.measure.run_folder import RunFolder
    from immabench.predict import gpu_named, machine_of, present_machine

    if ceilings is not None:
        return machine_of_run(RunFolder.open(ceilings).meta)
    return machine_of(gpu_named(gpu)) if gpu else present_machine()


def _problem(kernel: str | None, shape: str, output_type: str, options: Sequence[str]) -> Problem:
    from immabench.kernels import kernel_config
    from immabench.measure.plan import kernel_problem, one_problem
    from immabench.suites import parse_options

    if kernel is None:
        return one_problem(shape, output_type, parse_options(options))
    return kernel_problem(kernel_config(kernel), shape, output_type, parse_options(options))


def _predictions(kernel: str | None, problem: Problem, machine: Machine) -> list[Prediction]:
    """Of the kernel, or of all that run on the machine, fastest first. Raises UsageError where none computes it."""
    from immabench.errors import UsageError
    from immabench.kernels import illegal_reason, kernel_config
    from immabench.predict import predicted
    from immabench.predict.selection import ranked

    if kernel is None:
        return [entry.prediction for entry in ranked(problem, machine)]
    config = kernel_config(kernel)
    reason = illegal_reason(config, problem)
    if reason is not None:
        raise UsageError(f"{kernel} cannot compute {problem.shape}: {reason}", "choose another kernel or shape")
    return [predicted(config, problem, machine)]


def _summary(found: Sequence[Prediction], problem: Problem, machine: Machine) -> dict[str, Any]:
    """Assumptions stand once; those of registers with each kernel."""
    from dataclasses import asdict

    entries = [{**one.as_dict(), "assumptions": [asdict(one.assumptions[-1])]} for one in found]
    head = {"kind": "predicted", "gpu": machine.name, "problem": problem.key}
    shape = [problem.m, problem.n, problem.k]
    return {**head, "shape": shape, "predictions": entries, "assumptions": [asdict(one) for one in machine.figures]}


def _print(found: Sequence[Prediction], top: int, problem: Problem, machine: Machine) -> None:
    print(f"{problem.shape} ({problem.key}) on {machine.name}: {NOTICE}")
    for place, prediction in enumerate(found, start=1):
        print(f"{place:3}. {prediction.explain()}")
    for prediction in found[:top]:
        _print_terms(prediction)
    _print_figures([*machine.figures, found[0].assumptions[-1]])


def _print_terms(prediction: Prediction) -> None:
    from immabench.cli.output import print_table

    rows = (
        (term.name, f"{term.clocks:,.0f}", f"{term.time_us:.2f}", "adds" if term.counted else "hidden", term.formula)
        for term in prediction.terms
    )
    columns = ("term", "clocks", "us", "", "formula")
    title = f"{prediction.kernel_id}: {prediction.time_us:.2f} us {NOTICE}, bound by {prediction.bound}"
    print_table(title, columns, rows, numeric=columns[1:3])
    print(
        f"Little's law: {prediction.in_flight_bytes:,} bytes in flight a multiprocessor, "
        f"{prediction.needed_bytes:,.0f} needed to draw DRAM's bandwidth"
    )


def _print_figures(figures: Sequence[Figure]) -> None:
    from immabench.cli.output import print_table

    rows = ((one.name, f"{one.value:g}", one.unit, one.kind, one.source) for one in figures)
    print_table("Computed with", ("figure", "value", "unit", "kind", "source"), rows, numeric=("value",))


def _print_grade(grade: Grade) -> None:
    _print_rows(grade)
    _print_cases(grade)
    for row_id, reason in grade.left_out:
        print(f"not graded: {row_id}: {reason}")
    right = sum(case.loss == 0 for case in grade.cases)
    print(
        f"{len(grade.rows)} rows: geometric mean of predicted / measured {grade.geometric_mean:.3f}, worst "
        f"{grade.worst.ratio:.3f} ({grade.worst.row_id}); the fastest chosen in {right} of {len(grade.cases)} cases, "
        f"largest loss {max(case.loss for case in grade.cases):.1%}"
    )


def _print_rows(grade: Grade) -> None:
    from immabench.cli.output import print_table

    columns = ("case", "kernel", "measured us", "predicted us", "ratio", "bound by")
    rows = (
        (one.case, one.kernel_id, f"{one.measured_us:,.2f}", f"{one.predicted_us:,.2f}", f"{one.ratio:.3f}", one.bound)
        for one in grade.rows
    )
    print_table(f"{grade.run}: predicted against measured", columns, rows, numeric=columns[2:5])


def _print_cases(grade: Grade) -> None:
    from immabench.cli.output import print_table

    columns = ("case", "rows", "rank correlation", "loss", "chosen by the model", "fastest")
    rows = (
        (one.case, one.rows, _correlation(one.correlation), f"{one.loss:.1%}", one.chosen, one.fastest)
        for one in grade.cases
    )
    print_table("Which kernel it would have chosen", columns, rows, numeric=columns[1:4])


def _correlation(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
