"""`immabench suites`: look into a suite, or make one anew from the model it was traced from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import JsonOption

if TYPE_CHECKING:
    from immabench.suites import Case, Suite

suites_app = typer.Typer(help="Look into a suite, or trace one from a model.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `suites` to the command line."""
    app.add_typer(suites_app, name="suites")


@suites_app.command()
def show(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")],
    as_json: JsonOption = False,
) -> None:
    """List the problems of a suite, axes expanded and duplicates merged.

    Example: immabench suites show resnet18
    """
    from immabench.suites import load_suite

    loaded = load_suite(suite)
    if as_json:
        typer.echo(json.dumps(_suite_json(loaded), indent=2))
    else:
        _print_table(loaded)


@suites_app.command()
def trace(
    model: Annotated[str, typer.Argument(help="A model's name: resnet18 or distilbert.")],
    write: Annotated[bool, typer.Option("--write", help="Write bench/suites/MODEL.toml of this source tree.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Trace a model into a suite; prints the TOML unless told to write it.

    Example: immabench suites trace resnet18 > mine.toml
    """
    from immabench.models import get_model
    from immabench.models.traced_suite import suite_text

    text = suite_text(get_model(model))
    if write:
        path = _write(model, text)
        typer.echo(json.dumps({"suite": model, "path": str(path)}) if as_json else path)
    elif as_json:
        typer.echo(json.dumps({"suite": model, "toml": text}))
    else:
        typer.echo(text, nl=False)


def _write(model: str, text: str) -> Path:
    from immabench.errors import UsageError
    from immabench.suites import SOURCE_FOLDER

    if not SOURCE_FOLDER.is_dir():
        raise UsageError("--write needs a source tree", f"immabench suites trace {model} > {model}.toml")
    path = SOURCE_FOLDER / f"{model}.toml"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})", "make the folder writable") from error
    return path


def _suite_json(suite: Suite) -> dict[str, Any]:
    cases = suite.expand()
    about = {**suite.header.model_dump(), "path": str(suite.path)}
    return {**about, "macs": _total_macs(cases), "cases": [_case_json(case) for case in cases]}


def _case_json(case: Case) -> dict[str, Any]:
    uses = [{"name": name, "calls": calls} for name, calls in case.uses]
    problem = case.problem
    return {
        "name": case.name,
        "key": problem.key,
        **problem.as_dict(),
        "calls": case.calls,
        "macs": problem.macs,
        "uses": uses,
    }


def _total_macs(cases: list[Case]) -> int:
    """Multiply-accumulates of the whole suite, each problem as often as it is called."""
    return sum(case.problem.macs * case.calls for case in cases)


def _print_table(suite: Suite) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{suite.name}: {suite.header.description}", caption=f"source: {suite.header.source}")
    table.add_column("case", overflow="fold")
    cases = suite.expand()
    batches = any(case.problem.batch > 1 for case in cases)
    for column in (*(("batch",) if batches else ()), "M", "N", "K", "output", "calls", "MMAC"):
        table.add_column(column, justify="right", no_wrap=True)
    for case in cases:
        problem = case.problem
        batch = (problem.batch,) if batches else ()
        sizes = (*batch, problem.m, problem.n, problem.k, problem.output_type, case.calls)
        names = "\n".join(dict.fromkeys(name for name, _ in case.uses))
        table.add_row(escape(names), *map(str, sizes), f"{problem.macs / 1e6:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{len(cases)} problems, {_total_macs(cases) / 1e9:.2f} GMAC with calls")
