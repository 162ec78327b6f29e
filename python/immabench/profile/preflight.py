"""What profiling needs, asked before anything runs: ncu, a GPU, the right to read its counters, a reader of reports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immabench.errors import MissingHardwareError, UsageError
from immabench.hardware import cuda_state
from immabench.profile.metrics import CHIPS
from immabench.profile.reports import INSTALL, reader_version

OLDEST_NCU = (2022, 3)
"""The release of CUDA 11.8, the first that profiles compute capability 8.9 and 9.0."""

FAMILY_LETTERS = 4
"""Of a chip's name, those that its family has in common: `ga10` of ga102 and ga104."""

CAP_SYS_ADMIN = 21
"""The number of the capability that may read counters wherever the driver keeps them for administrators."""

COUNTERS_REMEDY = (
    "run as root, or have an administrator set NVreg_RestrictProfilingToAdminUsers=0 for the nvidia module "
    "(https://developer.nvidia.com/ERR_NVGPUCTRPERM)"
)
INSTALL_NCU = "install NVIDIA Nsight Compute (it comes with the CUDA toolkit), or name it with --ncu PATH"

ASK_SECONDS = 60.0
"""How long ncu may take to say its version or its chips."""


@dataclass(frozen=True)
class Obstacle:
    """Why profiling will not work, and what to do about it; `fatal` is False where it may work all the same."""

    reason: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"


@dataclass(frozen=True)
class Ncu:
    """The profiler of this machine."""

    path: Path
    version: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """With its version, for people."""
        return f"{self.path}, version {'.'.join(map(str, self.version)) or 'unknown'}"


@dataclass(frozen=True)
class Preflight:
    """What was found: the profiler where there is one, and everything that stands in the way."""

    ncu: Ncu | None
    obstacles: tuple[Obstacle, ...]

    @property
    def fatal(self) -> Obstacle | None:
        """The first that ends it, None where profiling may begin."""
        return next((obstacle for obstacle in self.obstacles if obstacle.fatal), None)

    @property
    def said(self) -> str:
        """What a person should know before: the obstacle that ends it, else those that may not; empty without any."""
        return f"not profiling: {self.fatal}" if self.fatal else "\n".join(map(str, self.obstacles))

    def require(self) -> Ncu:
        """The profiler. Raises MissingHardwareError with the first obstacle that ends it."""
        obstacle = self.fatal
        if obstacle is not None:
            raise MissingHardwareError(obstacle.reason, obstacle.remedy)
        assert self.ncu is not None
        return self.ncu


def preflight(given: Path | None = None) -> Preflight:
    """Everything, in the order in which it would fail. `given` is where the profiler is said to be.

    Raises UsageError where there is none at `given`.
    """
    path = find_ncu(given)
    ncu = None if path is None else Ncu(path, ncu_version(path))
    checks: list[Callable[[], Iterator[Obstacle]]] = [lambda: _of_ncu(ncu), _of_gpu, _of_counters]
    obstacles = [obstacle for check in checks for obstacle in check()]
    return Preflight(ncu, (*obstacles, *_of_chip(ncu), *_of_reader(ncu)))


def find_ncu(given: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """`given`, or ncu on the PATH, of the toolkit in CUDA_HOME, of those in /usr/local, or installed by itself.

    None where there is none; raises UsageError for a `given` that is no program.
    """
    if given is not None:
        if not os.access(given, os.X_OK) or given.is_dir():
            raise UsageError(f"--ncu {given} is no program", "name the ncu of a CUDA toolkit or of Nsight Compute")
        return given
    on_path = shutil.which("ncu", path=environment.get("PATH"))
    if on_path:
        return Path(on_path)
    return next((path for path in _usual_places(environment) if os.access(path, os.X_OK)), None)


def _usual_places(environment: Mapping[str, str]) -> Iterator[Path]:
    homes = [environment[name] for name in ("CUDA_HOME", "CUDA_PATH") if environment.get(name)]
    yield from (Path(home) / "bin" / "ncu" for home in homes)
    yield from sorted(Path("/usr/local").glob("cuda*/bin/ncu"), reverse=True)
    yield from sorted(Path("/opt/nvidia/nsight-compute").glob("*/ncu"), reverse=True)


def ncu_version(path: Path) -> tuple[int, ...]:
    """(year, release, ...) of a profiler, empty where it does not say."""
    return parse_version(_asked(path, "--version"))


def parse_version(text: str) -> tuple[int, ...]:
    """Of what `ncu --version` prints: `Version 2025.1.1.0 (build 35528883) (public-release)`."""
    found = re.search(r"^Version\s+(\d+(?:\.\d+)+)", text, re.MULTILINE)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def chips_of(path: Path) -> list[str]:
    """The chips that a profiler knows, empty where it does not say."""
    return re.findall(r"\b[a-z]{2}\d+[a-z0-9]*\b", _asked(path, "--list-chips"))


def _asked(path: Path, question: str) -> str:
    try:
        done = subprocess.run([path, question], capture_output=True, text=True, errors="replace", timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _of_ncu(ncu: Ncu | None) -> Iterator[Obstacle]:
    if ncu is None:
        yield Obstacle("Nsight Compute's ncu is not on PATH or where toolkits put it", INSTALL_NCU)
    elif not ncu.version:
        yield Obstacle(f"{ncu.path} does not say its version, so it is no ncu that works", INSTALL_NCU)
    elif ncu.version[:2] < OLDEST_NCU:
        oldest = ".".join(map(str, OLDEST_NCU))
        yield Obstacle(f"{ncu.name}, is older than {oldest}", INSTALL_NCU)


def _of_gpu() -> Iterator[Obstacle]:
    state = cuda_state()
    if state["status"] != 0 or not state["devices"]:
        reason = state["error"] or "the driver lists none"
        yield Obstacle(f"no CUDA device ({reason})", "profile on a GPU; reports are imported anywhere with --import")


def _of_counters(parameters: Path = Path("/proc/driver/nvidia/params")) -> Iterator[Obstacle]:
    """Linux: the driver may keep counters for administrators; ncu would end with ERR_NVGPUCTRPERM."""
    if re.search(r"^RmProfilingAdminOnly:\s*1", _text(parameters), re.MULTILINE) and not _is_administrator():
        yield Obstacle("the driver lets administrators alone read GPU counters (RmProfilingAdminOnly)", COUNTERS_REMEDY)


def _is_administrator(status: Path = Path("/proc/self/status")) -> bool:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", _text(status), re.MULTILINE)
    return bool(found and int(found[1], 16) >> CAP_SYS_ADMIN & 1)


def _of_chip(ncu: Ncu | None) -> Iterator[Obstacle]:
    """A GPU that this profiler does not know yet."""
    chip = present_chip()
    known = chips_of(ncu.path) if ncu and chip else []
    if chip and known and not any(name.startswith(chip[:FAMILY_LETTERS]) for name in known):
        assert ncu is not None
        yield Obstacle(f"{ncu.name}, does not know this GPU ({chip})", f"{INSTALL_NCU}: a newer one")


def _of_reader(ncu: Ncu | None) -> Iterator[Obstacle]:
    version = reader_version()
    if version is None:
        yield Obstacle("the package ncu-report, which reads reports, is not installed", INSTALL)
    elif ncu and ncu.version[:2] > _numbers(version)[:2]:
        written = ".".join(map(str, ncu.version[:2]))
        remedy = "pip install --upgrade ncu-report, should the import fail"
        yield Obstacle(f"ncu {written} may write what ncu-report {version} cannot read", remedy, fatal=False)


def present_chip() -> str | None:
    """Nsight Compute's name for this machine's first GPU; None without one, or for one nobody here has heard of."""
    return chip_of(cuda_state()["devices"])


def chip_of(gpus: list[dict[str, Any]]) -> str | None:
    """As `present_chip`, of the GPUs that a run's machine had."""
    return CHIPS.get(".".join(map(str, gpus[0]["compute_capability"]))) if gpus else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
