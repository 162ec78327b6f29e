"""`immabench ceilings`: measure what this machine's matrix units and memory do at best."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add `ceilings` to the command line."""
    app.command()(ceilings)


def ceilings(
    device: Annotated[str, typer.Option("--device", help="cpu, or cuda for the first GPU.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Measure the ceilings of this machine with torch: GEMM peaks and copy bandwidth, a few seconds.

    They are the roof of every report's roofline: measured, not from a data sheet. Leave the machine alone meanwhile.

    Example: immabench ceilings --json
    """
    from immabench.measure.ceilings import measure_ceilings

    typer.echo("measuring ceilings (a few seconds, all threads) ...", err=True)
    found = measure_ceilings(device)
    typer.echo(json.dumps(found, indent=2) if as_json else as_text(found))


def as_text(found: dict[str, Any]) -> str:
    """The ceilings as a few aligned lines, each with its unit, the size that gave it and how steady it was."""
    lines = [f"{found['device_name']}, {found['threads']} threads, torch {found['torch']}"]
    lines += [_line(entry) for entry in found["sizes"] if entry["rate"] == found[entry["what"]]]
    lines += ["", f"method: {found['method']}"]
    if found["noisy"]:
        lines.append(f"noisy: {', '.join(found['noisy'])}: other work ran meanwhile; measure again on a quiet machine")
    return "\n".join(lines)


def _line(entry: dict[str, Any]) -> str:
    copy = entry["what"].endswith("_gbps")
    name = entry["what"].removesuffix("_gbps") if copy else f"{entry['what'].split('_')[0]} GEMM"
    rate = f"{entry['rate']:8.2f} GB/s" if copy else f"{entry['rate'] * 1e3:8.1f} Gop/s"
    size = f"{entry['size'] >> 20} MiB" if copy else f"{entry['size']} cubed"
    return f"  {name:<10} {rate:<16} at {size:<12} median of {entry['samples']}"
