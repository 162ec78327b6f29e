"""`immabench list`: the kernels, suites, providers and models there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from immabench.cli.options import JsonOption

Entry = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("list")(list_command)


def list_command(
    what: str = typer.Argument(help="kernels, suites, providers or models."),
    match: list[str] = typer.Option(
        [], "--match", metavar="GLOB", help="Only names that match, or families of kernels; repeatable."
    ),
    json: JsonOption = False,
) -> None:
    """List kernels, GEMMs and those around them, suites, providers or models.

    Example: immabench list kernels --match '*128x128*'
    """
    from immabench.cli.output import print_json, print_table
    from immabench.errors import UsageError
    from immabench.kernels import match_names

    if what not in LISTINGS:
        raise UsageError(f"cannot list {what!r}", f"choose one of {', '.join(LISTINGS)}")
    entries, keys = LISTINGS[what]()
    names = dict.fromkeys(entry[key] for entry in entries for key in keys)
    kept = set(match_names(what[:-1], names, match))
    entries = [entry for entry in entries if kept & {entry[key] for key in keys}]
    if json:
        print_json(entries)
    else:
        columns = COLUMNS[what]
        flat = [{**entry, **entry.get("resources", {})} for entry in entries]
        print_table("", columns, ([_cell(entry[column]) for column in columns] for entry in flat))


def _kernels() -> tuple[list[Entry], tuple[str, ...]]:
    from immabench.kernels import KernelConfig, all_configs
    from immabench.profile import registers_by_kernel

    registers = registers_by_kernel()
    entries = [
        {
            "id": config.id,
            "family": config.family,
            "provider": config.provider,
            "architectures": list(config.architectures),
            "operand_types": config.operand_types,
            "output_types": list(config.output_types),
            "stages": config.stages if isinstance(config, KernelConfig) else None,
            "resources": {
                "threads": config.threads,
                "shared_bytes": config.shared_bytes,
                "registers": registers.get(config.id),
            },
        }
        for config in all_configs()
    ]
    return entries, ("id", "family")


def _suites() -> tuple[list[Entry], tuple[str, ...]]:
    from immabench.suites import list_suites

    suites = list_suites()
    return [
        {**s.header.model_dump(include={"name", "description", "source"}), "cases": len(s.expand())} for s in suites
    ], ("name",)


def _providers() -> tuple[list[Entry], tuple[str, ...]]:
    from immabench.providers.registry import load_provider, provider_names

    entries = []
    for provider in map(load_provider, provider_names()):
        state = provider.availability()
        works = {"devices": list(provider.devices()), "kernels": len(provider.config_ids())} if state.ok else {}
        shown = {"devices": [], "kernels": 0, **works}
        entries.append({"name": provider.name, "available": state.ok, **shown, "detail": state.detail})
    return entries, ("name",)


def _models() -> tuple[list[Entry], tuple[str, ...]]:
    """Architectures that are traced into suites, and trained models; one of both kinds is one entry."""
    from immabench.models import list_models
    from immabench.models.trained import trained_models

    entries: dict[str, Entry] = {
        m.name: {"name": m.name, "variants": list(m.variants), "description": m.description, "source": m.source}
        for m in list_models()
    }
    for trained in trained_models():
        about = {"variants": [], "description": f"{trained.title}; {trained.evaluation_data}", "source": ""}
        entry = entries.setdefault(trained.name, {"name": trained.name, **about})
        entry |= {"trained": trained.title, "weights": _weights_state(trained.weights), "recipes": trained.recipes}
    untrained = {"trained": None, "weights": None, "recipes": None}
    return [{**untrained, **entries[name]} for name in sorted(entries)], ("name",)


def _weights_state(asset: str) -> str:
    """Whether a trained model can be loaded here."""
    from immabench.assets import asset_named, state_of

    return state_of(asset_named(asset)).status if asset else "trained on first use"


LISTINGS: dict[str, Callable[[], tuple[list[Entry], tuple[str, ...]]]] = {
    "kernels": _kernels,
    "suites": _suites,
    "providers": _providers,
    "models": _models,
}


COLUMNS = {
    "kernels": ("id", "architectures", "threads", "shared_bytes", "registers"),
    "suites": ("name", "cases", "description", "source"),
    "providers": ("name", "available", "devices", "kernels", "detail"),
    "models": ("name", "variants", "trained", "weights", "recipes", "description"),
}
"""What the tables for people show; the JSON has more."""


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
