"""`immabench verify`: every kernel against the exact oracle, on shapes computed from its tile or block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from immabench.cli.options import JsonOption, SeedOption, WithOption

if TYPE_CHECKING:
    from immabench.kernels import AnyConfig
    from immabench.measure.kernel_case import Check
    from immabench.measure.verify_apart import What


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("verify")(verify)


def verify(
    kernel: list[str] = typer.Option(
        [], "--kernel", metavar="GLOB", help="Only kernels whose id or family matches; repeatable."
    ),
    shape: list[str] = typer.Option(
        [],
        "--shape",
        metavar="MxNxK",
        help="These shapes, each size an axis, instead of the edges: of GEMMs, ROWSxCOLUMNS of quantizers, "
        "BATCHxHEADSxQUERIESxKEYSxDEPTH of attention, 1x56x56x64_f3_p1_n64 of convolutions, or "
        "1x112x112x64_f3_s2_p1 of pooling.",
    ),
    output_type: list[str] = typer.Option([], "--output-type", help="s32, s8, s4, f32, f16 or bf16; all by default."),
    with_: WithOption = [],
    order: str = typer.Option(
        "all", "--order", help="Order of warps under emulation: all, forward, reverse or random."
    ),
    device: str = typer.Option("emulated", "--device", help="emulated or cuda."),
    seed: SeedOption = 0,
    brief: bool = typer.Option(
        False, "--brief", help="A few cases of each kernel instead of all its edges: does it work at all?"
    ),
    timeout: float = typer.Option(20.0, "--timeout", min=0.1, help="Longest a case may take on a GPU, seconds."),
    json: JsonOption = False,
) -> None:
    """Compare kernels with the exact oracle, bit for bit, and look for hazards. Float sums that round have a bound.

    Without --shape and --with, kernels that compute batches are given one of those too. On a GPU each case runs in a
    worker process with a time limit: one that hangs is wrong, and the others go on. Exits 1 when a kernel is wrong, 5
    when none matches, 77 without the hardware.

    Example: immabench verify --kernel '*128x128*' --shape 129x65x79
    """
    from immabench.cli.output import console, print_json
    from immabench.errors import NothingSelectedError
    from immabench.hardware import device_of
    from immabench.measure.verify import ORDERS
    from immabench.measure.verify_apart import What
    from immabench.suites import parse_options

    _check_choices(device, order, output_type)
    _check_brief(brief, shape, with_)
    device_of(device)
    options = parse_options(with_)
    orders = ORDERS if order == "all" else (order,)
    checks: list[Check] = []
    log = console(stderr=True)
    plan = [
        (config, What(shapes, output_type, seed, options, brief))
        for config, shapes in _with_shapes(_matching(kernel, device), shape)
    ]
    for config, done in _checked(plan, orders, device, timeout):
        checks += done
        wrong = [check for check in done if check.status == "failed"]
        log.print(f"{config.id}: {len(done) - len(wrong)} of {len(done)} right", markup=False)
        for check in wrong:
            log.print(f"  {check.name}: {check.detail}", markup=False)
    _check_selected(checks, output_type)
    summary = _summary(checks)
    if options and not summary["checked"]:
        raise NothingSelectedError(f"none of these kernels computes that: {checks[0].detail}", "leave --with out")
    if json:
        print_json(summary)
    else:
        print(f"{summary['checked']} checked, {summary['failed']} failed, {summary['skipped']} skipped")
    if summary["failed"]:
        raise typer.Exit(1)


def _checked(
    plan: Sequence[tuple[AnyConfig, What]], orders: Sequence[str], device: str, case_seconds: float
) -> Iterator[tuple[AnyConfig, list[Check]]]:
    """Every configuration with what came of it: on a GPU by a worker process, else here."""
    from immabench.measure.kernel_case import check_case
    from immabench.measure.verify_apart import verify_apart
    from immabench.measure.worker_process import WorkerProcess

    if device == "cuda":
        with WorkerProcess() as worker:
            for config, what in plan:
                yield config, list(verify_apart(worker, config, what, device, case_seconds))
        return
    for config, what in plan:
        yield config, [check_case(case, orders, device, what.seed) for case in what.cases(config)]


def _check_brief(brief: bool, shapes: list[str], options: list[str]) -> None:
    from immabench.errors import UsageError

    if brief and (shapes or options):
        raise UsageError("--brief chooses the shapes itself", "leave out --shape and --with, or --brief")


def _check_choices(device: str, order: str, output_types: list[str]) -> None:
    from immabench.errors import UsageError
    from immabench.measure.verify import EPILOGUES, ORDERS

    choices = [("device", device, ("emulated", "cuda")), ("order", order, ("all", *ORDERS))]
    choices += [("output type", output_type, (*EPILOGUES, "s4")) for output_type in output_types]
    for name, value, known in choices:
        if value not in known:
            raise UsageError(f"unknown {name} {value!r}", f"choose one of {', '.join(known)}")


def _matching(globs: list[str], device: str) -> list[AnyConfig]:
    """The configurations that match; under emulation those that can be emulated. Raises NothingSelectedError."""
    from immabench.errors import NothingSelectedError
    from immabench.kernels import is_emulated, match_kernels

    found = match_kernels(globs)
    configs = [config for config in found if device == "cuda" or is_emulated(config)]
    if not configs:
        raise NothingSelectedError(f"{found[0].id} runs on a GPU alone", "add --device cuda")
    return configs


def _with_shapes(configs: Sequence[AnyConfig], texts: list[str]) -> list[tuple[AnyConfig, list[tuple[Any, ...]]]]:
    """Each configuration with the shapes of its form; where shapes are given, those alone that have some.

    Raises UsageError for a shape that no configuration takes.
    """
    from immabench.measure.verify import shape_form
    from immabench.shapes import parse_any

    forms = list(dict.fromkeys(map(shape_form, configs)))
    given: dict[str, list[tuple[Any, ...]]] = {}
    for text in texts:
        form, shapes = parse_any(text, forms)
        given.setdefault(form, []).extend(shapes)
    fitting = [(config, given.get(shape_form(config), [])) for config in configs]
    return [(config, shapes) for config, shapes in fitting if shapes or not given]


def _check_selected(checks: list[Check], output_types: list[str]) -> None:
    from immabench.errors import NothingSelectedError

    if not checks:
        raise NothingSelectedError(f"no kernel selected gives {' or '.join(output_types)}", "widen --output-type")


def _summary(checks: list[Check]) -> dict[str, object]:
    from dataclasses import asdict

    counts = {status: sum(check.status == status for check in checks) for status in ("failed", "skipped")}
    results = [{**asdict(check), "shape": list(check.shape)} for check in checks]
    return {"checked": len(checks) - counts["skipped"], **counts, "results": results}
