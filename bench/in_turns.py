"""Times both sides of each goal of speed in turns, the fastest that sweeps found, so that clocks hit both alike.

    python bench/in_turns.py evidence/runs --out evidence/in_turns.jsonl

One line a pair: the kernels, the shape, how many times as fast as the other ours is, with its 99 % interval. A pair is
measured in a process of its own, so that a kernel that hangs or faults costs itself alone; pairs that the file holds
are not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from immabench.measure.ab import Goal, run_ab
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.problems import Problem

sys.path.insert(0, str(Path(__file__).parent))  # also where this file is loaded as a module
import goals

SECONDS = 1.0
"""Longest to time a pair."""
LIMIT_SECONDS = 60.0
"""Longest for a pair with all that it takes: operands, two verifications."""
THRESHOLD = 0.02
"""Differences of so much are to be told from noise."""

Pair = tuple[Row, Row]


def right_rows(runs: Path, device: str = "cuda") -> list[Row]:
    """Every right and timed row of a device, whose problem is known."""
    rows = (row for path in sorted(runs.glob("*/run.json")) for row in RunFolder.open(path.parent).each(lines=False))
    good = (row for row in rows if row.status == "ok" and row.device_kind == device and row.step == "compute")
    return [row for row in good if row.time_us_median and row.asked_problem]


def pairs(held: Sequence[Row], judged: Sequence[Mapping[str, Any]]) -> Iterator[Pair]:
    """Both sides of every goal of speed among `judged`: of each shape the fastest."""
    frame = goals.frame_of([row.model_dump() for row in held])
    for goal in judged:
        if goal["kind"] == "speed":
            own, other = goals.fastest(frame, goal["own"]), goals.fastest(frame, goal["other"])
            both = own.merge(other, on=goals.SHAPE, suffixes=("", "_other"))
            for index, other_index in zip(both["index"], both.index_other, strict=True):
                yield held[index], held[other_index]


def stated(pair: Pair) -> dict[str, Any]:
    """What a process of its own is told of a pair."""
    problems = [row.asked_problem for row in pair]
    return {
        "device": pair[0].device_kind,
        "kernels": [row.kernel_id for row in pair],
        "problems": [problem.as_dict() for problem in problems if problem is not None],
    }


def timed(told: dict[str, Any], seconds: float) -> dict[str, Any]:
    """How many times as fast as the other the own kernel is, in turns. Raises what `run_ab` does."""
    own, other = (Problem.from_dict(problem) for problem in told["problems"])
    found = run_ab(*told["kernels"], own, told["device"], Goal(THRESHOLD, seconds), other=other).paired
    ratio = found.ratio  # of times, other / own
    interval = None if ratio.interval is None else list(ratio.interval)
    return {"speed": ratio.value, "interval": interval, "pairs": len(found.pairs), "times_us": list(found.medians_us)}


def measured(told: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The same by a process of its own: what it found, or why it found nothing."""
    command = [sys.executable, __file__, "--pair", json.dumps(told), "--seconds", str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return {"reason": f"took more than {LIMIT_SECONDS:.0f} s"}
    lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {"reason": lines[-1]}
    return found


def gather(runs: Path, out: Path, seconds: float) -> int:
    """Measure every pair that `out` does not hold with a figure; returns how many have none."""
    lines = out.read_text().splitlines() if out.exists() else []
    known = {_key(line): line for line in map(json.loads, lines) if "speed" in line}
    wanted = {_key(told): told for told in map(stated, pairs(right_rows(runs), goals.load_goals()["goals"]))}
    for number, (key, told) in enumerate(wanted.items(), 1):
        if key not in known:
            known[key] = {**told, **measured(told, seconds)}
            with out.open("a") as file:
                file.write(json.dumps(known[key]) + "\n")
        print(f"{number}/{len(wanted)} {' '.join(told['kernels'])}: {_outcome(known[key])}", file=sys.stderr)
    return sum("speed" not in known[key] for key in wanted)


def _key(told: dict[str, Any]) -> str:
    return json.dumps([told["device"], told["kernels"], told["problems"]], sort_keys=True)


def _outcome(found: dict[str, Any]) -> str:
    return f"{found['speed']:.3f}x" if "speed" in found else str(found["reason"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="?", help="the folder of run folders")
    parser.add_argument("--out", type=Path, default=Path("in_turns.jsonl"), help="where lines are added")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="longest to time a pair")
    parser.add_argument("--pair", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.pair:
        print(json.dumps(timed(json.loads(options.pair), options.seconds)))
        return 0
    if options.runs is None or not options.runs.is_dir():
        print(f"{options.runs or 'no folder'} holds no runs; name the runs/ of `make evidence`", file=sys.stderr)
        return 2
    return 1 if gather(options.runs, options.out, options.seconds) else 0


if __name__ == "__main__":
    raise SystemExit(main())
