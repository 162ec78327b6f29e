"""Gathers evidence on a GPU machine: does it work, the roof, the goals, then everything else; one small folder.

    python bench/evidence.py --out evidence                 # what `make evidence` runs; called again, it goes on
    python bench/evidence.py --out evidence --seconds 540   # ends by then, with a bundle of what there is
    python bench/evidence.py --out rehearsal --device cpu   # the same steps on a CPU, to see that they work

Needs no network. What says most in least time comes first. Each stage ends within its limit; one that did not finish is
taken up by the next call, one that failed is run again. Nothing is judged here: what failed is in the evidence.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.hardware import device_of
from immabench.measure.run_folder import RunFolder

sys.path.insert(0, str(Path(__file__).parent))  # also where this file is loaded as a module
import goals
from evidence_stages import IN_TURNS, STAGE_SECONDS, Stage, stages

ROOT = Path(__file__).parents[1]
GRACE_SECONDS = 20
CLOSING_SECONDS = 30
"""What findings and the bundle take, and how little is left when no stage begins any more."""
MAX_BUNDLE_BYTES = 16 << 20
SUITES = ("quick", "resnet18-conv", "distilbert", "ragged", "resnet18", "square", "llama-decode")
NOTHING_TO_RUN = (5, 77)
"""Exit codes of a command that found nothing to do, or not the hardware for it: of profiling that is no failure."""
SCHEMA_VERSION = 1
Found = TypeVar("Found")


def run_stage(stage: Stage, out: Path, limit_seconds: float = STAGE_SECONDS) -> dict[str, Any]:
    """Run one step; returns what `evidence.json` says of it. `returncode` is None where the limit ended it."""
    started = time.monotonic()
    with (out / f"{stage.name}.out").open("wb") as answers, (out / f"{stage.name}.log").open("wb") as log:
        try:
            # A group of its own, so that nothing of it stays on the GPU.
            process = subprocess.Popen(stage.command, stdout=answers, stderr=log, cwd=ROOT, preexec_fn=os.setpgrp)
            code = _ended(process, limit_seconds)
        except FileNotFoundError as error:
            log.write(f"{error.filename} is not here\n".encode())
            code = NOTHING_TO_RUN[-1]
    skipped = _last_line(out / f"{stage.name}.log") if stage.optional and code in NOTHING_TO_RUN else ""
    return {
        "name": stage.name,
        "command": [Path(word).name if word == sys.executable else word for word in stage.command],
        "returncode": code,
        "skipped": skipped,
        "seconds": round(time.monotonic() - started, 1),
        "finished_utc": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _ended(process: subprocess.Popen[bytes], limit_seconds: float) -> int | None:
    """The exit code; None where the limit came first. What the process started ends with it."""
    try:
        return process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # a sweep closes its run folder and can be continued
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def gather(
    out: Path,
    device: str,
    suites: Sequence[str],
    limit_seconds: float = STAGE_SECONDS,
    seconds: float = math.inf,
) -> dict[str, Any]:
    """Run every step that has not succeeded yet, those that begin within `seconds`, and write `evidence.json`.

    Returns what it holds.
    """
    deadline = time.monotonic() + seconds
    out.mkdir(parents=True, exist_ok=True)
    evidence = _known(out, device)
    done = {entry["name"]: entry for entry in evidence["stages"]}
    for stage in stages(out, device, suites):
        if done.get(stage.name, {}).get("returncode") == 0:
            print(f"{stage.name}: done before", file=sys.stderr)
            continue
        left = deadline - time.monotonic() - GRACE_SECONDS - CLOSING_SECONDS
        if left < CLOSING_SECONDS:
            print(f"{stage.name} and what follows: no time left; call again to go on", file=sys.stderr)
            break
        print(f"{stage.name} ...", file=sys.stderr)
        done[stage.name] = run_stage(stage, out, min(limit_seconds, stage.seconds, left))
        print(f"{stage.name}: {_outcome(done[stage.name])}", file=sys.stderr)
        evidence["stages"] = list(done.values())
        _write(out, evidence)
    evidence |= _tried(lambda: _findings(out), {})
    _write(out, evidence)
    return evidence


def _tried(work: Callable[[], Found], without: Found) -> Found:
    """What `work` returns; `without`, and a traceback on standard error, where it fails: what was measured is kept."""
    try:
        return work()
    except Exception:  # noqa: BLE001 - minutes of a GPU are worth more than any figure made of them later
        traceback.print_exc()
        return without


def bundle(out: Path) -> Path:
    """What is worth carrying away: `evidence.json`, the goals, rows and actions of each run, in a folder of limited
    size."""
    folder = out / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(out / "evidence.json", folder)
    for run in _runs(out):
        run.write_csv()  # a sweep that was ended wrote none
        shutil.copy(run.path / "rows.csv", folder / f"{run.path.name}.csv")
    for actions in sorted((out / "runs").glob("*/profile/*.actions.jsonl")):
        shutil.copy(actions, folder / f"{actions.parents[1].name}-{actions.name}")
    table = _tried(lambda: goals.table(folder, goals.load_goals()["goals"]), "see bench/goals.py")
    (folder / "goals.md").write_text(table + "\n")
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size > MAX_BUNDLE_BYTES:
        raise SystemExit(f"{folder} holds {size >> 20} MiB, more than {MAX_BUNDLE_BYTES >> 20}; sweep fewer suites")
    return folder


def _known(out: Path, device: str) -> dict[str, Any]:
    """The evidence so far. Another device in the same folder is refused."""
    path = out / "evidence.json"
    if not path.exists():
        return {"schema_version": SCHEMA_VERSION, "device_kind": device, "stages": []}
    known: dict[str, Any] = json.loads(path.read_text())
    if known["device_kind"] != device:
        raise SystemExit(f"{out} holds evidence of {known['device_kind']}; give another --out")
    return known


def _findings(out: Path) -> dict[str, Any]:
    """What the steps said, out of their answers: machine, roof, how much was verified, counts, predictions."""
    runs = [run.meta for run in _runs(out)]
    verified = [answer for path in sorted(out.glob("verify*.out")) if (answer := _answer(out, path.stem))]
    return {
        "machine": runs[0]["machine"] if runs else None,
        "versions": runs[0]["versions"] if runs else None,
        "git": runs[0]["git"] if runs else None,
        "ceilings": _answer(out, "ceilings"),
        "verified": {key: sum(one[key] for one in verified) for key in ("checked", "failed", "skipped")},
        "wrong": [check for one in verified for check in one["results"] if check["status"] == "failed"],
        "primitives": _last_line(out / "primitives.out"),
        "tests": _last_line(out / "tests.out"),
        "in_turns": _lines(out / IN_TURNS),
        "counts": [count for run in _runs(out) for count in _counts(run)],
        "predicted_over_measured": [ratio for run in _runs(out) for ratio in _predicted(run)],
        "checks": (_answer(out, "doctor") or {}).get("checks"),
    }


def _runs(out: Path) -> list[RunFolder]:
    """Every run folder of a sweep that began."""
    return [RunFolder.open(path.parent) for path in sorted((out / "runs").glob("*/run.json"))]


def _counts(run: RunFolder) -> list[dict[str, Any]]:
    """What the emulated machine counted of profiled rows beside what the GPU did."""
    from immabench.profile.actions import read_actions
    from immabench.profile.agreement import agreement

    found = agreement(run.rows(), read_actions(run.path))
    return [{**asdict(one), "ratio": one.ratio, "within": one.within} for one in found]


def _predicted(run: RunFolder) -> list[float]:
    """Predicted over measured time of the hand-written kernels; none where none was timed on a GPU."""
    from immabench.measure.grade import grade_run

    try:
        return [row.ratio for row in grade_run(run.path).rows]
    except ImmabenchError:
        return []


def _answer(out: Path, name: str) -> Any:
    """The JSON a step printed; None where it printed none."""
    try:
        return json.loads((out / f"{name}.out").read_text())
    except (OSError, ValueError):
        return None


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((line.strip(" =") for line in reversed(lines) if line.strip()), "")


def _write(out: Path, evidence: dict[str, Any]) -> None:
    fresh = out / "evidence.json.new"
    fresh.write_text(json.dumps(evidence, indent=1) + "\n")
    fresh.replace(out / "evidence.json")


def _outcome(entry: dict[str, Any]) -> str:
    if entry["returncode"] is None:
        return f"not finished within {entry['seconds']:.0f} s; call again to go on"
    if entry.get("skipped"):
        return f"skipped: {entry['skipped']}"
    return f"{'ok' if entry['returncode'] == 0 else 'exit ' + str(entry['returncode'])}, {entry['seconds']:.0f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("evidence"), help="folder of the evidence (default: evidence)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--suites", default=",".join(SUITES), help="separated by commas")
    parser.add_argument("--limit", type=float, default=STAGE_SECONDS, help="seconds a stage may take")
    parser.add_argument("--seconds", type=float, default=math.inf, help="seconds this call may take; the next goes on")
    options = parser.parse_args(arguments)
    try:
        device_of(options.device)
    except MissingHardwareError as error:
        print(f"{error}; `--device cpu` rehearses", file=sys.stderr)
        return error.exit_code
    out = options.out.resolve()
    evidence = gather(out, options.device, options.suites.split(","), options.limit, options.seconds)
    print(bundle(out))
    return 0 if all(entry["returncode"] == 0 or entry.get("skipped") for entry in evidence["stages"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
