"""`immabench emulate`: one kernel on one shape on the emulated machine, with its counts against the ideal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immabench.cli.options import JsonOption, SeedOption

if TYPE_CHECKING:
    from immabench.kernels import CompanionConfig
    from immabench.measure.kernel_case import KernelCase

EmulateWithOption = Annotated[
    list[str],
    typer.Option(
        "--with",
        metavar="KEY=VALUE",
        help="A further field of the problem, named as in suites: b_group=128, activation=gelu; of the kernels around "
        "a GEMM their types and scales: x=f16, codes=s4, granularity=column; repeatable.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("emulate")(emulate)


def emulate(
    kernel: str = typer.Argument(help="Id of a kernel; see `immabench list kernels`."),
    shape: str = typer.Option(
        ...,
        "--shape",
        metavar="MxNxK",
        help="The problem of a GEMM; ROWSxCOLUMNS of the kernels around it; BATCHxHEADSxQUERIESxKEYSxDEPTH of "
        "attention; 1x56x56x64_f3_p1_n64 of a convolution, 1x112x112x64_f3_s2_p1 of pooling.",
    ),
    output_type: str = typer.Option(
        None, "--output-type", help="Of a GEMM: s32, or s8, f32, f16 (default), bf16 with scales and bias."
    ),
    with_: EmulateWithOption = [],
    order: str = typer.Option("forward", "--order", help="Order of warps: forward, reverse or random."),
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Run one kernel on the emulated GPU: exactness, hazards, memory transactions.

    Exits 1 when the result is wrong or a hazard was seen.

    Example: immabench emulate imma_s8s8s32_128x128x64_w2x4_s3_sm80 --shape 256x256x256

    Example: immabench emulate quantize_dynamic_t256_sm80 --shape 64x768 --with x=f16
    """
    from immabench.cli.output import print_json

    result = _run(_case(kernel, shape, output_type, with_, seed), order, seed)
    if json:
        print_json(result)
    else:
        _print(result)
    if not result["exact"] or result["hazards"]:
        raise typer.Exit(1)


def _case(kernel: str, shape: str, output_type: str | None, options: list[str], seed: int) -> KernelCase:
    """The case that was asked for. Raises UsageError for what the kernel's family does not have."""
    from immabench.errors import UsageError
    from immabench.kernels import CompanionConfig, any_config, is_emulated
    from immabench.measure.companion_cases import chosen_case, companion_form
    from immabench.measure.companion_shapes import companion_shape
    from immabench.measure.plan import kernel_problem
    from immabench.measure.verify import GemmCase
    from immabench.shapes import parse_size
    from immabench.suites import parse_options, parse_pairs

    config = any_config(kernel)
    if not is_emulated(config):
        raise UsageError(f"{config.id} runs on a GPU alone", "emulate one of the hand-written kernels")
    if isinstance(config, CompanionConfig):
        _refuse_output_type(config, output_type)
        given = companion_shape(parse_size(shape, companion_form(config)))
        return chosen_case(config, given, parse_pairs(options), seed)
    return GemmCase(config, kernel_problem(config, shape, output_type or "f16", parse_options(options)), seed)


def _refuse_output_type(config: CompanionConfig, output_type: str | None) -> None:
    from immabench.errors import UsageError

    if output_type is not None:
        types = " and ".join(f"--with {name}={types}" for name, types in config.operand_types.items())
        raise UsageError(f"{config.id} has no --output-type", f"its matrices have types: {types}")


def _run(case: KernelCase, order: str, seed: int) -> dict[str, Any]:
    from immabench.errors import UsageError
    from immabench.measure.kernel_case import ORDERS

    if order not in ORDERS:
        raise UsageError(f"unknown order {order!r}", f"choose one of {', '.join(ORDERS)}")
    reason, size = case.illegal_reason(), "x".join(map(str, case.shape))
    if reason is not None:
        raise UsageError(f"{case.kernel_id} cannot compute {size}: {reason}", "choose another kernel or shape")
    emulation = case.emulate(order, seed)
    difference = case.difference()
    return {
        "id": case.kernel_id,
        "shape": list(case.shape),
        "problem": case.problem,
        "backend": case.backend,
        "exact": not difference,
        "difference": difference,
        "hazards": emulation.hazards,
        "hazard_total": emulation.hazard_total,
        "counts": emulation.counts,
        "lines": emulation.lines,
        "emulation_seconds": emulation.seconds,
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
    print(f"{instructions or 'no matrix'} instructions, {counts['barriers']:,} barriers")
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
