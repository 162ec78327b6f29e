"""`immabench doctor`: what works here, what does not, why, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from immabench.cli.options import JsonOption

if TYPE_CHECKING:
    from immabench.checkup import Check

STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor")(doctor)


def doctor(json: JsonOption = False) -> None:
    """Say what works here, what does not, why, and how to fix it.

    Exits 1 when something is broken; what is merely missing is no failure.

    Example: immabench doctor --json
    """
    from dataclasses import asdict

    from immabench.checkup import run_checks
    from immabench.cli.output import print_json

    checks = run_checks()
    if json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
    if any(check.status == "broken" for check in checks):
        raise typer.Exit(1)


def _print(checks: list[Check]) -> None:
    from rich.text import Text

    from immabench.cli.output import print_table

    rows = ((check.name, Text(check.status, STYLES[check.status]), check.detail, check.remedy) for check in checks)
    print_table("", ("check", "status", "detail", "remedy"), rows)
