"""`immabench ab`: two configurations timed in turns in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from immabench.cli.options import JsonOption, SeedOption, ThresholdOption

if TYPE_CHECKING:
    from immabench.measure.ab import AbResult


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ab")(ab)


def ab(
    first: str = typer.Argument(help="The id of the baseline, for example torch_bf16; see `immabench list`."),
    second: str = typer.Argument(help="The id of the candidate; the same id twice shows what noise looks like."),
    shape: str = typer.Option(..., "--shape", metavar="MxNxK", help="One shape."),
    output_type: str = typer.Option("f16", "--output-type", help="s32, f32, f16 or bf16."),
    device: str = typer.Option("cpu", "--device", help="cpu, or cuda for the first GPU."),
    time_budget: float = typer.Option(5.0, "--time-budget", min=0.01, help="Longest to measure, seconds."),
    threshold: ThresholdOption = "2%",
    seed: SeedOption = 0,
    out: Path = typer.Option(None, "--out", help="Write the raw times of every pair into this JSON file."),
    json: JsonOption = False,
) -> None:
    """Time two configurations in turns: drift and throttling hit both alike, so small differences show.

    Both are verified before and after. Exits 1 when one is wrong, 2 when one has no time there, 77 without the device.

    Example: immabench ab torch_bf16 torch_int8 --shape 128x1024x1024
    """
    from immabench.cli.output import print_json
    from immabench.errors import UsageError
    from immabench.measure.ab import Goal, run_ab
    from immabench.measure.compare import parse_percent
    from immabench.measure.plan import shape_problem
    from immabench.suites import parse_shape

    share = parse_percent(threshold)
    if share == 0:
        raise UsageError("a threshold of 0 is never measured precisely enough", "write --threshold 0.5% or more")
    problem = shape_problem(parse_shape(shape), output_type)
    result = run_ab(first, second, problem, device, Goal(share, time_budget), seed)
    if out is not None:
        _write(out, result)
    if json:
        print_json(_summary(result))
    else:
        _print(result)


def _summary(result: AbResult) -> dict[str, Any]:
    verdict, reason = result.verdict
    ratio, (first_us, second_us) = result.paired.ratio, result.paired.medians_us
    return {
        "first": result.first.config_id,
        "second": result.second.config_id,
        "problem": result.problem.key,
        "device": result.device,
        "backends": [result.first.backend, result.second.backend],
        "verdict": verdict,
        "ratio": ratio.value,
        "interval": list(ratio.interval) if ratio.interval else None,
        "reason": reason,
        "threshold": result.threshold,
        "time_us_first": first_us,
        "time_us_second": second_us,
        "pairs": len(result.paired.pairs),
        "stopped": result.paired.stopped,
    }


def _print(result: AbResult) -> None:
    from immabench.cli.output import print_table

    verdict, reason = result.verdict
    ratio, medians = result.paired.ratio, result.paired.medians_us
    sides = (("first", result.first), ("second", result.second))
    rows = [
        (name, side.config_id, side.backend, f"{time:.4g}") for (name, side), time in zip(sides, medians, strict=True)
    ]
    print_table(
        f"{result.problem.key} on {result.device}", ("", "configuration", "backend", "median us"), rows, ("median us",)
    )
    interval = "no interval" if ratio.interval is None else "{:.4f} to {:.4f} at 99 %".format(*ratio.interval)
    print(f"{result.second.config_id} is {verdict}{f' ({reason})' if reason else ''}")
    ending = f"{len(result.paired.pairs)} pairs, then {result.paired.stopped}"
    print(f"second / first {ratio.value:.4f}, {interval}; {ending}")


def _write(path: Path, result: AbResult) -> None:
    import json

    from immabench.errors import UsageError

    content = {**_summary(result), "pairs_us": result.paired.pairs}
    try:
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror or error})", "choose a writable --out") from error
