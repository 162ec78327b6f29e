"""`immabench ceilings`: what this machine's instructions and memory do at best, and what a library makes of them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from immabench.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add `ceilings` to the command line."""
    app.command()(ceilings)


def ceilings(
    device: Annotated[str, typer.Option("--device", help="cpu, or cuda for the first GPU.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Measure the ceilings of this machine: peak rates of instructions, bandwidths, torch's GEMMs; some ten seconds.

    They are the roof of every report's roofline: measured, not from a data sheet. Leave the machine alone meanwhile.

    Example: immabench ceilings --json
    """
    from immabench.measure.ceilings import measure_ceilings

    typer.echo("measuring ceilings (some ten seconds, all threads) ...", err=True)
    found = measure_ceilings(device)
    typer.echo(json.dumps(found, indent=2) if as_json else as_text(found))


def as_text(found: dict[str, Any]) -> str:
    """The ceilings as aligned lines, each with its unit and what it is of; then what was not measured, and why."""
    core = "SM" if found["device"] == "cuda" else "core"
    lines = [f"{found['device_name']}, {found['threads']} threads, torch {found['torch']}"]
    lines += _section(
        "instructions, fastest launch", [_instruction(e, core) for e in found["instructions"] if e["rate"]]
    )
    best = [entry for entry in found["sizes"] if entry["rate"] == found[entry["what"]]]
    lines += _section("library, median call", [_size(entry) for entry in best if not _is_memory(entry)])
    lines += _section("memory", [_size(entry) for entry in best if _is_memory(entry)])
    lines += _section("not measured", _missing(found))
    lines += ["", f"method: {found['method']}"]
    lines += [f"in doubt: {line}" for line in found["contradictions"]]
    if found["noisy"]:
        lines.append(f"noisy: {', '.join(found['noisy'])}: other work ran meanwhile; measure again on a quiet machine")
    return "\n".join(lines)


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *lines] if lines else []


def _instruction(entry: dict[str, Any], core: str) -> str:
    cores = f"{entry['cores']} {core}{'s' if entry['cores'] > 1 else ''}"
    status = "" if entry["status"] == "native" else f", {entry['status']}: {entry['reason']}"
    clock = f"{entry['per_clock_per_core']:8.1f} a clock and {core} at {entry['clock_mhz']:.0f} MHz"
    types = f"{entry['operand_type']} {entry['accumulator']}"
    return f"  {entry['name']:<36} {types:<10} {_rate(entry)} on {cores:<8} {clock}{status}"


def _size(entry: dict[str, Any]) -> str:
    memory = _is_memory(entry)
    name = entry["what"].removesuffix("_gbps").replace("_", " ") if memory else f"{entry['what'].split('_')[0]} GEMM"
    size = f"{entry['size'] >> 20} MiB" if memory else f"{entry['size']} cubed"
    return f"  {name:<36} {entry['by']:<10} {_rate(entry)} at {size:<12} {entry['samples']} samples"


def _is_memory(entry: dict[str, Any]) -> bool:
    return str(entry["what"]).endswith("_gbps")


def _rate(entry: dict[str, Any]) -> str:
    if entry["unit"] == "1e9 bytes/s":
        return f"{entry['rate']:10.2f} GB/s "
    return f"{entry['rate'] * 1e3:10.1f} Gop/s"


def _missing(found: dict[str, Any]) -> list[str]:
    absent = [(entry["name"], entry["reason"]) for entry in found["instructions"] if not entry["rate"]]
    return [f"  {name:<36} {reason}" for name, reason in [*absent, *found["reasons"].items()]]
