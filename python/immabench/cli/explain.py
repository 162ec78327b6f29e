"""`immabench explain`: why the rows of a run are as far from their roofs as they are, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from immabench.cli.options import CaseOption, JsonOption, KernelOfRunOption

if TYPE_CHECKING:
    from immabench.explain import BreakEven, Explanation
    from immabench.predict import Machine

DEFAULT_TOP = 8


def register(app: typer.Typer) -> None:
    """Add `explain` to the command line."""
    app.command("explain")(explain)


def explain(
    run: Path = typer.Argument(..., help="A run folder, as `immabench sweep` wrote it."),
    kernel: KernelOfRunOption = [],
    case: CaseOption = [],
    every: bool = typer.Option(False, "--all", help="Rows near their roofs too."),
    top: int = typer.Option(DEFAULT_TOP, "--top", min=1, help="How many rows are explained in words."),
    gpu: str = typer.Option(None, "--gpu", help="Explain emulated rows too, by what is predicted of this GPU."),
    json: JsonOption = False,
) -> None:
    """Say why each row is below its roof, with the evidence and what to try; nothing is measured.

    A cause is stated with the share of the row's time it costs as far as the evidence tells, and where that comes from:
    measured, profiled, emulated, compiled, predicted, published, or arithmetic on the shape. Where rows stand beside
    fp16, the numbers of rows at which a precision stops being faster are stated too.

    Example: immabench explain runs/20261121T120000Z-llama-decode
    """
    from immabench.cli.output import print_json
    from immabench.explain import FORMULA

    machine = _machine(gpu)
    found, evens = _explained(run, kernel, case, machine)
    far = found if every else [one for one in found if one.is_far]
    if json:
        rows, crossings = [one.as_dict() for one in far], [one.as_dict() for one in evens]
        head = {"run": str(run), "formula": FORMULA, "explained": len(found)}
        print_json({**head, "rows": rows, "break_even": crossings})
        return
    _print_table(far, len(found))
    for one in far[:top]:
        _print_words(one)
    for crossing in evens:
        print(f"Break-even: {crossing.in_words()}")
    print(FORMULA)


def _machine(gpu: str | None) -> Machine | None:
    from immabench.predict import gpu_named, machine_of

    return machine_of(gpu_named(gpu)) if gpu else None


def _explained(
    run: Path, kernels: Sequence[str], cases: Sequence[str], machine: Machine | None
) -> tuple[list[Explanation], list[BreakEven]]:
    """Selected rows, least efficient first, and the break-evens of their weights."""
    from immabench.e2e.folder import is_e2e
    from immabench.errors import UsageError
    from immabench.explain import EmulatedRows, break_evens, explain_rows
    from immabench.kernels import match_names, matches_any
    from immabench.measure.run_folder import RunFolder
    from immabench.profile.actions import read_actions

    folder = RunFolder.open(run)
    if is_e2e(folder.meta):
        raise UsageError(f"{run} times whole models, which have no roof of one product", "name the run of a sweep")
    rows = folder.rows(lines=False)
    match_names("kernel", {row.kernel_id for row in rows}, kernels)
    match_names("case", {row.case for row in rows}, cases)
    chosen = [row for row in rows if matches_any(row.kernel_id, kernels) and matches_any(row.case, cases)]
    emulated = EmulatedRows(rows, folder.whole)
    found = explain_rows(chosen, folder.meta, read_actions(run), machine, emulated)
    return sorted(found, key=lambda one: one.efficiency), break_evens(chosen, folder.meta, machine)


def _print_table(found: Sequence[Explanation], explained: int) -> None:
    from immabench.cli.output import print_table
    from immabench.readable import percent, shape_text

    columns = ("case", "M×N×K", "kernel", "time us", "roof us", "efficiency", "bound", "why")
    rows = (
        (
            one.row.case or one.row.suite,
            shape_text(one.row.sizes),
            one.row.kernel_id,
            f"{one.time_us:.4g}" + ("" if one.kind == "measured" else " predicted"),
            f"{one.floor_us:.4g}",
            percent(100 * one.efficiency),
            one.bound,
            one.headline,
        )
        for one in found
    )
    print_table(f"{len(found)} of {explained} rows are far from their roofs", columns, rows, numeric=columns[3:6])


def _print_words(one: Explanation) -> None:
    print(f"\n{one.row.case or one.row.suite}: {one.row.row_id}")
    for sentence in one.sentences():
        print(f"  - {sentence}")
