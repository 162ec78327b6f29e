"""`immabench assets`: weights and data of models: what is here, whether it is whole, and official ones fetched."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import JsonOption

if TYPE_CHECKING:
    from immabench.assets import AssetState, Progress

assets_app = typer.Typer(help="Weights and data of models: list, check and fetch them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `assets` to the command line."""
    app.add_typer(assets_app, name="assets")


@assets_app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the assets that models and cards use, and which of them are here.

    Example: immabench assets list
    """
    from immabench.assets import known_assets, state_of

    _show([state_of(asset) for asset in known_assets()], as_json)


@assets_app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Assets; all that are here without.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every byte of assets with its checksum; exits 1 where one is damaged or incomplete.

    Example: immabench assets check
    """
    from immabench.assets import asset_named, known_assets, state_of

    chosen = [asset_named(name) for name in names or []] or known_assets()
    states = [state_of(asset, compare=True) for asset in chosen]
    _show([state for state in states if names or state.status != "missing"], as_json)
    bad = {"damaged", "incomplete", "missing"} if names else {"damaged", "incomplete"}
    if any(state.status in bad for state in states):
        raise typer.Exit(1)


@assets_app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Assets with an official address.")],
    as_json: JsonOption = False,
) -> None:
    """Fetch official assets, each file into its place when its checksum is right.

    Example: immabench assets fetch resnet18-torchvision
    """
    from immabench.assets import asset_named
    from immabench.assets import fetch as fetch_asset

    states = []
    for asset in [asset_named(name) for name in names]:
        with _Bar() as progress:
            states.append(fetch_asset(asset, progress))
    _show(states, as_json)


def _show(states: Sequence[AssetState], as_json: bool) -> None:
    from immabench.assets import folder
    from immabench.cli.output import print_json, print_table

    if as_json:
        print_json({"folder": str(folder()), "assets": [_entry(state) for state in states]})
        return
    rows = (
        (
            state.asset.name,
            state.status,
            f"{state.bytes / 2**20:,.1f}",
            state.asset.title,
            state.detail or _remedy(state),
        )
        for state in states
    )
    print_table(f"Assets in {folder()}", ("name", "status", "MiB", "what", "to do"), rows, numeric=("MiB",))


def _entry(state: AssetState) -> dict[str, Any]:
    asset = state.asset
    return {
        "name": asset.name,
        "title": asset.title,
        "kind": asset.kind,
        "status": state.status,
        "detail": state.detail,
        "path": str(state.path),
        "bytes": state.bytes,
        "source": asset.source,
        "licence": asset.licence,
        "fetchable": asset.fetchable,
    }


def _remedy(state: AssetState) -> str:
    if state.status != "missing":
        return ""
    from immabench.assets import VARIABLE

    name = state.asset.name
    return f"immabench assets fetch {name}" if state.asset.fetchable else f"put it there, or set {VARIABLE}"


class _Bar:
    """Progress of files on standard error: a bar with an ETA on a terminal, a line a file elsewhere."""

    def __enter__(self) -> Progress:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        from immabench.cli.output import console

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console(stderr=True), transient=True)
        self._tasks: dict[str, Any] = {}
        self._bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if not self._bar.console.is_terminal:
            for name in self._tasks:
                print(f"fetched {name}", file=sys.stderr)

    def _advance(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total or None)
        self._bar.update(self._tasks[name], completed=done)
