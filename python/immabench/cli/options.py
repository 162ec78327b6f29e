"""Options that several commands take."""

from __future__ import annotations

import typer

PROBLEM_OPTIONS = typer.Option(
    [],
    "--with",
    metavar="KEY=VALUE",
    help="A further field of the problem, named as in suites: b_type=s4, b_group=128, activation=gelu; repeatable.",
)
