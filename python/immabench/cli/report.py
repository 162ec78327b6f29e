"""`immabench report`: build the report of a run, or check the numbers it would show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from immabench.cli.options import JsonOption

MOST_LINES = 40
"""Of differences in a terminal."""


def register(app: typer.Typer) -> None:
    """Add `report` to the command line."""
    app.command()(report)


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, as `immabench sweep` or `e2e` wrote it.")],
    verify: Annotated[bool, typer.Option("--verify", help="Recompute every number shown; fail on drift.")] = False,
    as_json: JsonOption = False,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the default browser.")] = False,
) -> None:
    """Write report.html (one offline file), summary.md, rows.csv and plots/ into a run folder.

    With --verify nothing is written: what rows derive is recomputed from their problems, raw samples and ceilings,
    and every value of the page, the summary, rows.csv and the plots is compared with what the rows give; exit code 1 if
    any differs.

    Example: immabench report runs/20261121T120000Z-resnet18
    """
    if verify:
        _verify(run, as_json)
        return
    page = _built(run)
    typer.echo(json.dumps({"run": str(run), "report": str(page)}) if as_json else str(page))
    if show:
        typer.launch(str(page))


def _built(run: Path) -> Path:
    """The page of a sweep, or of a run of `immabench e2e`."""
    from immabench.e2e import report as end_to_end
    from immabench.e2e.folder import is_e2e
    from immabench.measure.run_folder import RunFolder
    from immabench.report import build_report

    return end_to_end.build_report(run) if is_e2e(RunFolder.open(run).meta) else build_report(run)


def _verify(run: Path, as_json: bool) -> None:
    from immabench.e2e.folder import is_e2e
    from immabench.errors import UsageError
    from immabench.measure.run_folder import RunFolder
    from immabench.report import verify_run

    if is_e2e(RunFolder.open(run).meta):
        raise UsageError(f"{run} is a run of `immabench e2e`", "--verify reads runs of `immabench sweep`")
    checked, drifts = verify_run(run)
    if as_json:
        typer.echo(json.dumps({"run": str(run), "checked": checked, "drifts": [vars(drift) for drift in drifts]}))
    else:
        for drift in drifts[:MOST_LINES]:
            typer.echo(str(drift))
        if len(drifts) > MOST_LINES:
            typer.echo(f"... and {len(drifts) - MOST_LINES} more; --json has all")
        typer.echo(f"{checked} values checked, {len(drifts)} differ")
    if drifts:
        raise typer.Exit(1)
