"""`immabench verify`: every kernel against the exact oracle, on shapes computed from its tile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from immabench.cli.options import PROBLEM_OPTIONS

if TYPE_CHECKING:
    from immabench.kernels import KernelConfig
    from immabench.measure.verify import Check
    from immabench.problems import Shape


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("verify")(verify)


def verify(
    kernel: list[str] = typer.Option(
        [], "--kernel", metavar="GLOB", help="Only kernels whose id or family matches; repeatable."
    ),
    shape: list[str] = typer.Option(
        [], "--shape", metavar="MxNxK", help="These shapes, each size an axis, instead of the tile's edges."
    ),
    output_type: list[str] = typer.Option([], "--output-type", help="s32, f32, f16 or bf16; all by default."),
    with_: list[str] = PROBLEM_OPTIONS,
    order: str = typer.Option(
        "all", "--order", help="Order of warps under emulation: all, forward, reverse or random."
    ),
    device: str = typer.Option("emulated", "--device", help="emulated or cuda."),
    seed: int = typer.Option(0, "--seed", help="Seed of the operands and of the random order."),
    json: bool = typer.Option(False, "--json", help="Print the results as JSON."),
) -> None:
    """Compare kernels with the exact oracle, bit for bit, and look for hazards. Float sums that round have a bound.

    Without --shape and --with, kernels that compute batches are given one of those too. Exits 1 when a kernel is wrong,
    5 when none matches, 77 without the hardware.

    Example: immabench verify --kernel '*128x128*' --shape 129x65x79
    """
    from immabench.cli.output import console, print_json
    from immabench.errors import NothingSelectedError
    from immabench.hardware import device_of
    from immabench.kernels import match_kernels
    from immabench.suites import parse_options, parse_shapes

    _check_choices(device, order, output_type)
    device_of(device)
    options = parse_options(with_)
    shapes = [one for text in shape for one in parse_shapes(text)]
    checks: list[Check] = []
    log = console(stderr=True)
    for config in match_kernels(kernel):
        done = list(_verify_one(config, shapes, output_type, options, order, device, seed))
        checks += done
        wrong = [check for check in done if check.status == "failed"]
        log.print(f"{config.id}: {len(done) - len(wrong)} of {len(done)} right", markup=False)
        for check in wrong:
            batch = f" batch={check.batch}" if check.batch > 1 else ""
            shape_text = "x".join(map(str, check.shape))
            log.print(f"  {shape_text}{batch} {check.output_type}: {check.detail}", markup=False)
    summary = _summary(checks)
    if options and not summary["checked"]:
        raise NothingSelectedError(f"none of these kernels computes that: {checks[0].detail}", "leave --with out")
    if json:
        print_json(summary)
    else:
        print(f"{summary['checked']} checked, {summary['failed']} failed, {summary['skipped']} skipped")
    if summary["failed"]:
        raise typer.Exit(1)


def _check_choices(device: str, order: str, output_types: list[str]) -> None:
    from immabench.errors import UsageError
    from immabench.measure.verify import EPILOGUES, ORDERS

    choices = [("device", device, ("emulated", "cuda")), ("order", order, ("all", *ORDERS))]
    choices += [("output type", output_type, tuple(EPILOGUES)) for output_type in output_types]
    for name, value, known in choices:
        if value not in known:
            raise UsageError(f"unknown {name} {value!r}", f"choose one of {', '.join(known)}")


def _verify_one(
    config: KernelConfig,
    shapes: list[Shape],
    output_types: list[str],
    options: dict[str, Any],
    order: str,
    device: str,
    seed: int,
) -> Iterator[Check]:
    from immabench.measure.verify import BATCH, ORDERS, batched_edges, edge_shapes, verify_kernel

    how = (output_types or config.output_types, ORDERS if order == "all" else (order,), device, seed)
    yield from verify_kernel(config, shapes or edge_shapes(config), *how, options)
    if not (shapes or options):
        yield from verify_kernel(config, batched_edges(config), *how, {"batch": BATCH})


def _summary(checks: list[Check]) -> dict[str, object]:
    from dataclasses import asdict

    counts = {status: sum(check.status == status for check in checks) for status in ("failed", "skipped")}
    results = [{**asdict(check), "shape": list(check.shape)} for check in checks]
    return {"checked": len(checks) - counts["skipped"], **counts, "results": results}
