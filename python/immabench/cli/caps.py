"""`immabench caps`: what the matrix, copy and barrier instructions become on an architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {"native": "green", "emulated": "yellow", "absent": "dim"}


def caps(
    arch: Annotated[str, typer.Option(help="GPU architecture, e.g. sm_80 or sm_90")],
    json: JsonOption = False,
) -> None:
    """Says which instructions an architecture has: native, emulated by a routine, or absent, with the SASS they become.

    Example: immabench caps --arch sm_90
    """
    from immabench.profile.caps import capabilities

    answer = capabilities(arch)
    if json:
        import json as encoder

        typer.echo(encoder.dumps(answer, indent=2))
        return
    from rich.console import Console

    Console().print(_table(answer))


def _table(answer: dict[str, Any]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{answer['arch']}, read from {answer['assembler']}", title_justify="left")
    for heading in ("Instruction", "Status", "Target", "SASS"):
        table.add_column(heading, no_wrap=heading != "SASS", overflow="fold")
    group = ""
    for row in answer["instructions"]:
        if row["group"] != group:
            table.add_section()
            group = row["group"]
        status = Text(row["status"], style=_COLOURS[row["status"]])
        table.add_row(row["name"], status, row["target"] if row["status"] != "absent" else "", Text(_sass(row)))
    return table


def _sass(row: dict[str, Any]) -> str:
    """The opcode of a native instruction, the routine of an emulated one, ptxas' reason for an absent one."""
    if row["status"] == "native":
        return next(word for word in str(row["sass"][0]).split(" ") if not word.startswith("@"))
    return str(row["detail"])


def register(app: typer.Typer) -> None:
    app.command("caps")(caps)
