"""The steps of gathering evidence (evidence.py), what says most in least time first."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import goals

from immabench.kernels import CompanionConfig, all_configs, companion_configs

ROOT = Path(__file__).parents[1]
STAGE_SECONDS = 480
FIRST_SECONDS = 180
"""For a stage that says whether anything works at all."""
IMMABENCH = (sys.executable, "-m", "immabench")
BEFORE = ("--ignore", str(ROOT / "tests/gpu/test_probes.py"), "-k", "not every_edge and not batches_are_exact")
"""Tests that say what the primitives' stage and verification have said."""

IN_TURNS = "in_turns.jsonl"
SANITIZERS = ("memcheck", "racecheck")


@dataclass(frozen=True)
class Stage:
    """A step: a command whose standard output becomes `<name>.out` and standard error `<name>.log`."""

    name: str
    command: tuple[str, ...]
    optional: bool = False
    """Whether it is skipped, and no failure, where a machine has not what it needs."""
    seconds: float = STAGE_SECONDS
    """It may take at most."""


def stages(out: Path, device: str, suites: Sequence[str]) -> list[Stage]:
    """Every step in order; a sweep that left a run folder is continued."""
    return [
        Stage("doctor", (*IMMABENCH, "doctor", "--json"), seconds=FIRST_SECONDS),
        Stage("primitives", _tests(out, "primitives", "test_probes.py", 30), seconds=FIRST_SECONDS),
        Stage("verify-brief", _brief(device), seconds=FIRST_SECONDS),
        Stage("ceilings", (*IMMABENCH, "ceilings", "--json", "--device", device), seconds=FIRST_SECONDS),
        *(_goal_sweeps(out) if device == "cuda" else ()),
        *(_in_turns(out) if device == "cuda" else ()),
        *(stage for suite in suites[:1] for stage in _suite(out, suite, device)),
        *_verification(device),
        Stage("tests", _tests(out, "tests", "", 240, *BEFORE)),
        *(_sanitized(tool) for tool in SANITIZERS if device == "cuda"),
        *(stage for suite in suites[1:] for stage in _suite(out, suite, device)),
    ]


def _tests(out: Path, name: str, file: str, seconds: int, *options: str) -> tuple[str, ...]:
    """Tests of tests/gpu, each of so many seconds at most, in a process that a kernel may hang; warnings of the
    machine's own packages are none of ours."""
    how = ("-n", "1", "-q", "-W", "default", "-p", "no:cacheprovider", f"--junitxml={out / name}.xml")
    limited = ("env", f"IMMABENCH_GPU_TEST_SECONDS={seconds}")
    return (*limited, sys.executable, "-m", "pytest", str(ROOT / "tests/gpu" / file), *how, *options)


def _brief(device: str) -> tuple[str, ...]:
    # Without a GPU this is a rehearsal: one kernel will do.
    where = ("--device", "cuda") if device == "cuda" else ("--kernel", all_configs()[0].id)
    return (*IMMABENCH, "verify", "--brief", "--json", *where)


def _verification(device: str) -> Iterator[Stage]:
    """Everything, a family of products at a time, then what stands around them: what did not finish loses one."""
    if device != "cuda":  # a shape of each form will do
        rehearsed = ("--shape", "70x136x272", "--shape", "1x7x9x32_f3_n72", "--shape", "66x136")
        yield Stage("verify", (*IMMABENCH, "verify", "--json", *rehearsed))
        return
    where = (*IMMABENCH, "verify", "--json", "--device", "cuda")
    for family in dict.fromkeys(config.family for config in all_configs() if not isinstance(config, CompanionConfig)):
        yield Stage(f"verify-{family}", (*where, "--kernel", family))
    others = dict.fromkeys(config.family for config in companion_configs())
    yield Stage("verify-others", (*where, *(word for family in others for word in ("--kernel", family))))


def _sanitized(tool: str) -> Stage:
    """A few cases of one kernel a family and instruction under NVIDIA's checker, slow as it is."""
    chosen = {(config.family, config.id.partition("_")[0]): config.id for config in all_configs()}
    kernels = (word for name in chosen.values() for word in ("--kernel", name))
    checker = ("compute-sanitizer", "--tool", tool, "--target-processes", "all", "--error-exitcode", "99")
    brief = ("--brief", "--json", "--device", "cuda", "--output-type", "f16", "--timeout", "120")
    return Stage(f"sanitizer-{tool}", (*checker, *IMMABENCH, "verify", *brief, *kernels), optional=True)


def _goal_sweeps(out: Path) -> Iterator[Stage]:
    """What the goals need, by bench/goals.toml; no roof, which is measured by then."""
    for sweep in goals.load_goals()["sweeps"]:
        run = out / "runs" / f"goal-{sweep['name']}"
        globs = [("--case", glob) for glob in sweep["cases"]] + [
            ("--kernel", glob) for glob in sweep.get("kernels", ())
        ]
        which = (*(word for pair in globs for word in pair), "--provider", sweep["provider"])
        fresh = ("goals", *which, "--device", "cuda", "--top", str(sweep.get("top", 2)), "--out", str(run))
        how = _resumed(run) if (run / "run.json").exists() else fresh
        yield Stage(run.name, (*IMMABENCH, "sweep", *how, "--no-ceilings", "--json"), optional=True)


def _in_turns(out: Path) -> Iterator[Stage]:
    """The fastest of both sides once more, in turns; no failure where one has no figure, which its line says."""
    command = (sys.executable, "bench/in_turns.py", str(out / "runs"), "--out", str(out / IN_TURNS))
    yield Stage("in-turns", command)


def _suite(out: Path, suite: str, device: str) -> Iterator[Stage]:
    run = out / "runs" / suite
    yield Stage(f"sweep-{suite}", _sweep(run, suite, device))
    yield Stage(f"profile-{suite}", _profile(run), optional=True)


def _profile(run: Path) -> tuple[str, ...]:
    """The rows of ours with most time, by the counters that can be held against the emulated counts."""
    which = ("--kernel", "*mma_*", "--top", "12")
    return (*IMMABENCH, "profile", str(run), *which, "--preset", "memory", "--emulate", "--json")


def _resumed(run: Path) -> tuple[str, ...]:
    return ("--resume", str(run), "--retry")


def _sweep(run: Path, suite: str, device: str) -> tuple[str, ...]:
    if (run / "run.json").exists():
        return (*IMMABENCH, "sweep", *_resumed(run), "--json")
    return (*IMMABENCH, "sweep", suite, "--device", device, "--out", str(run), "--top", "3", "--json")
