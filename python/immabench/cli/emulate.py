"""`immabench emulate`: one kernel on one shape on the emulated machine, with its counts against the ideal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from immabench.cli.options import PROBLEM_OPTIONS


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("emulate")(emulate)


def emulate(
    kernel: str = typer.Argument(help="Id of a kernel; see `immabench list kernels`."),
    shape: str = typer.Option(..., "--shape", metavar="MxNxK", help="The problem."),
    output_type: str = typer.Option("f16", "--output-type", help="s32, or s8, f32, f16, bf16 with scales and bias."),
    with_: list[str] = PROBLEM_OPTIONS,
    order: str = typer.Option("forward", "--order", help="Order of warps: forward, reverse or random."),
    seed: int = typer.Option(0, "--seed", help="Seed of the operands and of the random order."),
    json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Run one kernel on the emulated GPU: exactness, hazards, memory transactions.

    Exits 1 when the result is wrong or a hazard was seen.

    Example: immabench emulate imma_s8s8s32_128x128x64_w2x4_s3_sm80 --shape 256x256x256
    """
    from immabench.cli.output import print_json

    result = _run(kernel, shape, output_type, with_, order, seed)
    if json:
        print_json(result)
    else:
        _print(result)
    if not result["exact"] or result["hazards"]:
        raise typer.Exit(1)


def _run(kernel: str, shape: str, output_type: str, options: list[str], order: str, seed: int) -> dict[str, Any]:
    from immabench.errors import UsageError
    from immabench.float_oracle import compare_with_oracle
    from immabench.kernels import illegal_reason, kernel_config
    from immabench.measure.plan import kernel_problem
    from immabench.measure.verify import ORDERS
    from immabench.operands import make_operands
    from immabench.providers.buffers import HostBuffers
    from immabench.providers.native_launch import EmulatedLaunch
    from immabench.suites import parse_options, parse_shape

    if order not in ORDERS:
        raise UsageError(f"unknown order {order!r}", f"choose one of {', '.join(ORDERS)}")
    config = kernel_config(kernel)
    problem = kernel_problem(config, parse_shape(shape), output_type, parse_options(options))
    reason = illegal_reason(config, problem)
    if reason is not None:
        raise UsageError(f"{kernel} cannot compute {problem.shape}: {reason}", "choose another kernel or shape")
    operands = make_operands(problem, seed)
    buffers = HostBuffers(problem, operands, "emulated")
    launch = EmulatedLaunch(kernel, buffers, order=order, seed=seed)
    launch.launch()
    assert launch.emulation is not None
    difference = compare_with_oracle(problem, buffers.out, operands)
    return {
        "id": kernel,
        "shape": [problem.m, problem.n, problem.k],
        "problem": problem.key,
        "backend": launch.backend,
        "exact": difference.exact,
        "difference": difference.describe(),
        "hazards": launch.emulation.hazards,
        "hazard_total": launch.emulation.hazard_total,
        "counts": launch.emulation.counts,
        "lines": launch.emulation.lines,
        "emulation_seconds": launch.seconds,
    }


def _print(result: dict[str, Any]) -> None:
    from immabench.cli.output import print_table
    from immabench.providers.base import describe_hazard

    print(f"{result['id']} on {'x'.join(map(str, result['shape']))} ({result['problem']}), {result['backend']}")
    print("exact" if result["exact"] else f"WRONG: {result['difference']}")
    print(f"hazards: {result['hazard_total']}")
    for hazard in result["hazards"]:
        print(f"  {describe_hazard(hazard)}")
    counts = result["counts"]
    instructions = " and ".join(f"{counts[name]:,} {name}" for name in ("mma", "wgmma") if counts[name])
    print(f"{instructions} instructions, {counts['barriers']:,} barriers")
    numeric = ("requests", "bytes", "seen", "ideal", "ratio")
    print_table("", ("operation", *numeric, "unit"), _count_rows(counts), numeric)
    columns = ("place", "operation", *numeric, "unit")
    print_table("By source line", columns, map(_line_row, result["lines"]), numeric)


def _count_rows(counts: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """One row an operation and unit; asynchronous copies have sectors in global and wavefronts in shared memory."""
    for operation, count in counts.items():
        if not isinstance(count, dict) or not count["requests"]:
            continue
        head = (operation, f"{count['requests']:,}", f"{count['bytes']:,}")
        for unit in ("sectors", "wavefronts"):
            ideal = int(count.get(f"ideal_{unit}") or count["ideal"])
            if unit in count:
                yield (*head, f"{count[unit]:,}", f"{ideal:,}", _ratio(count[unit], ideal), unit)


def _line_row(line: dict[str, Any]) -> tuple[str, ...]:
    seen = (f"{line['requests']:,}", f"{line['bytes']:,}", f"{line['units']:,}", f"{line['ideal']:,}")
    return (
        f"{line['file']}:{line['line']}",
        line["operation"],
        *seen,
        _ratio(line["units"], line["ideal"]),
        line["unit"],
    )


def _ratio(seen: int, ideal: int) -> str:
    return f"{seen / ideal:.2f}x" if ideal else "-"
