"""The command line. Each command is one small file with a `register(app)`; heavy imports wait inside the commands."""

from __future__ import annotations

import importlib
import sys

import typer

from immabench.errors import ImmabenchError, UsageError

COMMANDS = (
    "doctor",
    "list",
    "verify",
    "emulate",
    "predict",
    "select",
    "sweep",
    "suites",
    "assets",
    "quantize",
    "export",
    "evaluate",
    "sensitivity",
    "card",
    "e2e",
    "dispatch",
    "difference",
    "caps",
    "cute_dsl",
    "ceilings",
    "report",
    "explain",
    "compare",
    "ab",
    "profile",
)
"""Modules of this package, in the order `--help` shows them."""


def build_app() -> typer.Typer:
    """The typer application with every command."""
    app = typer.Typer(
        name="immabench",
        help="How fast INT8 and INT4 matrix kernels run here, how far that is from the limit, and why.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in COMMANDS:
        importlib.import_module(f"immabench.cli.{name}").register(app)
    return app


OPTIONAL = (
    "onnx",
    "onnxruntime",
    "PIL",
    "safetensors",
    "sklearn",
    "tokenizers",
    "torch",
    "torchvision",
    "transformers",
)
"""Packages of the extra [models], without which its commands end in one line."""


def main() -> None:
    """Run the command line; an ImmabenchError becomes one line on standard error and its exit code."""
    try:
        build_app()()
    except ImmabenchError as error:
        print(f"immabench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in OPTIONAL:
            raise
        print(f"immabench: {package} is not installed; pip install 'immabench[models]'", file=sys.stderr)
        sys.exit(UsageError.exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from immabench import __version__

        print(__version__)
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Options of `immabench` itself; their callbacks do the work."""
