"""`immabench cute-dsl`: compile the kernels written in the CuTe DSL for machines that lack it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from immabench.cli.options import JsonOption

cute_dsl_app = typer.Typer(help="Compile the kernels written in the CuTe DSL.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `cute-dsl` to the command line."""
    app.add_typer(cute_dsl_app, name="cute-dsl")


@cute_dsl_app.callback()
def _commands() -> None:
    """Compile the kernels written in the CuTe DSL."""


@cute_dsl_app.command("compile")
def compile_command(
    match: Annotated[
        list[str] | None, typer.Option("--match", metavar="GLOB", help="Only kernels that match; repeatable.")
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it under Python 3.10
        typer.Option("--out", metavar="DIR", help="Where they are kept; else where sweeps look for them."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compile every kernel for every type of its output, seconds each, where that was not done before. Needs no GPU.

    A machine without nvidia-cutlass-dsl takes them from the folder that IMMABENCH_CUTE_DSL names.

    Example: immabench cute-dsl compile --out cute_dsl
    """
    from immabench.cli.output import console, print_json
    from immabench.cute_dsl import cubin_of, find_cubin, object_folder, specializations
    from immabench.kernels import match_names

    folder, kernels = out or object_folder(), specializations()
    chosen = match_names("kernel", dict.fromkeys(kernel.config_id for kernel in kernels), match or [])
    entries = []
    for kernel in (one for one in kernels if one.config_id in chosen):
        state = "kept" if find_cubin(kernel, folder) else "compiled"
        size = len(cubin_of(kernel, folder))
        entries.append({"file": kernel.file_name, "state": state, "bytes": size})
        if not json:
            console().print(f"{state:8} {size:7} bytes  {kernel.file_name}", highlight=False, soft_wrap=True)
    if json:
        print_json({"folder": str(folder), "kernels": entries})
    else:
        console().print(f"{len(entries)} kernels in {folder}", soft_wrap=True)
