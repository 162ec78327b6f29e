"""Gathers evidence on a GPU machine: verify everything, measure the roof, sweep the suites, profile; one small folder.

    python bench/evidence.py --out evidence                 # what `make evidence` runs; called again, it goes on
    python bench/evidence.py --out rehearsal --device cpu   # the same steps on a CPU, to see that they work

Needs no network. Each stage ends within its limit; one that did not finish is taken up by the next call, one that
failed is run again. Nothing is judged here: what failed is in the evidence.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from immabench.errors import MissingHardwareError
from immabench.hardware import device_of

ROOT = Path(__file__).parents[1]
STAGE_SECONDS = 480
GRACE_SECONDS = 20
MAX_BUNDLE_BYTES = 16 << 20
SUITES = ("quick", "square", "ragged", "resnet18", "distilbert", "llama-decode")
IMMABENCH = (sys.executable, "-m", "immabench")
NOTHING_TO_RUN = (5, 77)
"""Exit codes of a command that found nothing to do, or not the hardware for it: of profiling that is no failure."""
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Stage:
    """A step: a command whose standard output becomes `<name>.out` and standard error `<name>.log`."""

    name: str
    command: tuple[str, ...]
    optional: bool = False
    """Whether it is skipped, and no failure, where a machine has not what it needs."""


def stages(out: Path, device: str, suites: Sequence[str]) -> list[Stage]:
    """Every step in order; a sweep that left a run folder is continued."""
    # Without a GPU this is a rehearsal: a shape of each form will do.
    rehearsed = ("--shape", "70x136x272", "--shape", "1x7x9x32_f3_n72", "--shape", "66x136")
    where = ("--device", "cuda") if device == "cuda" else ("--device", "emulated", *rehearsed)
    verify = (*IMMABENCH, "verify", "--json", *where)
    pytest = (sys.executable, "-m", "pytest", str(ROOT / "tests/gpu"), "-q", "-p", "no:cacheprovider")
    fixed = [
        Stage("doctor", (*IMMABENCH, "doctor", "--json")),
        Stage("primitives", (*pytest, f"--junitxml={out / 'primitives.xml'}")),
        Stage("verify", verify),
        Stage("ceilings", (*IMMABENCH, "ceilings", "--json", "--device", device)),
    ]
    sweeps = [Stage(f"sweep-{suite}", _sweep(out / "runs" / suite, suite, device)) for suite in suites]
    return [*fixed, *sweeps, *(Stage(f"profile-{suite}", _profile(out / "runs" / suite), True) for suite in suites)]


def _profile(run: Path) -> tuple[str, ...]:
    """The rows with most time, by the counters that can be held against the emulated counts."""
    return (*IMMABENCH, "profile", str(run), "--preset", "memory", "--emulate", "--json")


def _sweep(run: Path, suite: str, device: str) -> tuple[str, ...]:
    if (run / "run.json").exists():
        return (*IMMABENCH, "sweep", "--resume", str(run), "--json")
    return (*IMMABENCH, "sweep", suite, "--device", device, "--out", str(run), "--top", "3", "--json")


def run_stage(stage: Stage, out: Path, limit_seconds: float = STAGE_SECONDS) -> dict[str, Any]:
    """Run one step; returns what `evidence.json` says of it. `returncode` is None where the limit ended it."""
    started = time.monotonic()
    with (out / f"{stage.name}.out").open("wb") as answers, (out / f"{stage.name}.log").open("wb") as log:
        process = subprocess.Popen(stage.command, stdout=answers, stderr=log, cwd=ROOT)
        try:
            code: int | None = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            code = None
            process.send_signal(signal.SIGINT)  # a sweep closes its run folder and can be continued
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    skipped = _last_line(out / f"{stage.name}.log") if stage.optional and code in NOTHING_TO_RUN else ""
    return {
        "name": stage.name,
        "command": [Path(word).name if word == sys.executable else word for word in stage.command],
        "returncode": code,
        "skipped": skipped,
        "seconds": round(time.monotonic() - started, 1),
        "finished_utc": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def gather(out: Path, device: str, suites: Sequence[str], limit_seconds: float = STAGE_SECONDS) -> dict[str, Any]:
    """Run every step that has not succeeded yet and write `evidence.json`; returns what it holds."""
    out.mkdir(parents=True, exist_ok=True)
    evidence = _known(out, device)
    done = {entry["name"]: entry for entry in evidence["stages"]}
    for stage in stages(out, device, suites):
        if done.get(stage.name, {}).get("returncode") == 0:
            print(f"{stage.name}: done before", file=sys.stderr)
            continue
        print(f"{stage.name} ...", file=sys.stderr)
        done[stage.name] = run_stage(stage, out, limit_seconds)
        print(f"{stage.name}: {_outcome(done[stage.name])}", file=sys.stderr)
        evidence["stages"] = list(done.values())
        _write(out, evidence)
    evidence |= _findings(out)
    _write(out, evidence)
    return evidence


def bundle(out: Path, evidence: dict[str, Any]) -> Path:
    """What is worth carrying away: `evidence.json`, rows and actions of each suite, in a folder of limited size."""
    folder = out / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(out / "evidence.json", folder)
    for run in sorted((out / "runs").glob("*/rows.csv")):
        shutil.copy(run, folder / f"{run.parent.name}.csv")
    for actions in sorted((out / "runs").glob("*/profile/*.actions.jsonl")):
        shutil.copy(actions, folder / f"{actions.parents[1].name}-{actions.name}")
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
    """What the steps said, out of their answers: machine, versions, roof, and how much was verified."""
    runs = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*/run.json"))]
    verified = _answer(out, "verify") or {}
    return {
        "machine": runs[0]["machine"] if runs else None,
        "versions": runs[0]["versions"] if runs else None,
        "git": runs[0]["git"] if runs else None,
        "ceilings": _answer(out, "ceilings"),
        "verified": {key: verified.get(key) for key in ("checked", "failed", "skipped")},
        "primitives": _last_line(out / "primitives.out"),
        "checks": (_answer(out, "doctor") or {}).get("checks"),
    }


def _answer(out: Path, name: str) -> Any:
    """The JSON a step printed; None where it printed none."""
    try:
        return json.loads((out / f"{name}.out").read_text())
    except (OSError, ValueError):
        return None


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
    options = parser.parse_args(arguments)
    try:
        device_of(options.device)
    except MissingHardwareError as error:
        print(f"{error}; `--device cpu` rehearses", file=sys.stderr)
        return error.exit_code
    out = options.out.resolve()
    evidence = gather(out, options.device, options.suites.split(","), options.limit)
    print(bundle(out, evidence))
    return 0 if all(entry["returncode"] == 0 or entry.get("skipped") for entry in evidence["stages"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
