"""`immabench select`: which kernel to launch for how many rows, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from immabench.cli.options import GpuOption, JsonOption, OutputTypeOption, WithOption

if TYPE_CHECKING:
    from immabench.predict import Machine
    from immabench.predict.selection import Choice
    from immabench.problems import Problem


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("select")(select)


def select(
    shape: str = typer.Option(
        ..., "--shape", metavar="MxNxK", help="N and K of the weights, and which M: 1:256:1x4096x4096, or 16x4096x4096."
    ),
    output_type: OutputTypeOption = "f16",
    with_: WithOption = [],
    gpu: GpuOption = None,
    json: JsonOption = False,
) -> None:
    """Print which hand-written kernel is predicted to be fastest for each number of rows. Nothing is run or measured.

    Each line says what bounds the kernel and by how much the next best is slower; `immabench predict` explains a
    prediction term by term.

    Example: immabench select --shape 1:256:1x4096x4096 --gpu H200
    """
    from immabench.cli.output import print_json
    from immabench.predict import gpu_named, machine_of, present_machine, selection_table

    machine = machine_of(gpu_named(gpu)) if gpu else present_machine()
    problem, rows = _problem(shape, output_type, with_)
    choices = selection_table(problem, machine, rows)
    if json:
        described = {"kind": "predicted", "gpu": machine.name, "architecture": machine.architecture}
        assumptions = [asdict(figure) for figure in machine.figures]
        table = {"choices": [choice.as_dict() for choice in choices], "assumptions": assumptions}
        print_json({**described, "problem": problem.key, **table})
    else:
        _print(choices, problem, machine)


def _problem(shape: str, output_type: str, options: list[str]) -> tuple[Problem, list[int]]:
    """The problem of the fewest rows, and all of them, ascending. Raises UsageError for several N or K."""
    from immabench.errors import UsageError
    from immabench.measure.plan import shape_problem
    from immabench.suites import parse_options, parse_shapes

    shapes = parse_shapes(shape)
    if len({(n, k) for _, n, k in shapes}) > 1:
        raise UsageError(f"{shape}: a table is of one N and one K", "let only M vary")
    rows = sorted({m for m, _, _ in shapes})
    return shape_problem((rows[0], *shapes[0][1:]), output_type, parse_options(options)), rows


def _print(choices: list[Choice], problem: Problem, machine: Machine) -> None:
    from immabench.cli.output import console, print_table

    columns = ("M", "kernel", "us", "bound by", "next best", "slower")
    rows = (
        (
            f"{one.first_m}" if one.first_m == one.last_m else f"{one.first_m} to {one.last_m}",
            one.kernel_id,
            f"{one.first_us:.2f}" if one.first_m == one.last_m else f"{one.first_us:.2f} to {one.last_us:.2f}",
            one.bound,
            one.runner_up or "",
            f"{one.slower_by:.0%}" if one.runner_up else "",
        )
        for one in choices
    )
    batch = f"batch of {problem.batch}, " if problem.batch > 1 else ""
    what = f"{problem.precision}, {batch}N={problem.n}, K={problem.k}"
    title = f"{what} on {machine.name} ({machine.architecture}): predicted"
    print_table(f"{title}, not measured", columns, rows, numeric=("M", "us", "slower"))
    assumed = ", ".join(f"{one.name} {one.value:g}" for one in machine.figures if one.kind == "assumed")
    console().print(
        f"bound by, next best and slower are those of the first M of a line; assumed of the GPU: {assumed}. "
        "`immabench predict` shows every term, and every figure with its source."
    )
