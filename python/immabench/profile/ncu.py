"""The profiler's command line: built, run with its log kept, and its failures said in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from immabench.errors import ImmabenchError, MissingHardwareError, UsageError
from immabench.profile.actions import SUFFIX as ACTIONS_SUFFIX
from immabench.profile.launches import LAUNCHES_SUFFIX, MODULE, PLAN_SUFFIX
from immabench.profile.metrics import Preset, parse_query
from immabench.profile.preflight import COUNTERS_REMEDY, INSTALL_NCU
from immabench.profile.ranges import NVTX_INCLUDE

REPORT_SUFFIX, LOG_SUFFIX = ".ncu-rep", ".log"

LAUNCH_SECONDS = 600.0
"""How long a launch may be profiled, its passes and their flushes together."""

QUERY_SECONDS = 120.0
"""How long ncu may take to list a chip's metrics."""


@dataclass(frozen=True)
class Session:
    """One run of the profiler: its files begin with `stem`. `warm` leaves caches as the launch before left them."""

    stem: Path
    preset: Preset
    warm: bool = False

    @property
    def plan(self) -> Path:
        """What the profiled process launches."""
        return self._file(PLAN_SUFFIX)

    @property
    def launches(self) -> Path:
        """What that process says of it."""
        return self._file(LAUNCHES_SUFFIX)

    @property
    def report(self) -> Path:
        """What the profiler writes."""
        return self._file(REPORT_SUFFIX)

    @property
    def log(self) -> Path:
        """What the profiler says."""
        return self._file(LOG_SUFFIX)

    @property
    def actions(self) -> Path:
        """What the report was imported into."""
        return self._file(ACTIONS_SUFFIX)

    def remove(self) -> None:
        """Delete what an earlier run left, the plan excepted."""
        for path in (self.report, self.launches, self.log, self.actions):
            path.unlink(missing_ok=True)

    def _file(self, suffix: str) -> Path:
        return self.stem.with_name(self.stem.name + suffix)


def command(ncu: Path | str, session: Session, chip: str | None, python: str = sys.executable) -> list[str]:
    """The words of the command that profiles `session`.

    Clocks are left alone: what is profiled runs at the clocks that were timed. Kernels are replayed, so that all
    counters are of one launch. Caches are flushed before each pass, as rows are timed on operands that are not there,
    but where the row was timed warm. A config file of somebody's own has no say.
    """
    preset = session.preset
    sections = [word for name in preset.sections for word in ("--section", name)]
    return [
        str(ncu),
        *("--config-file", "off", "--target-processes", "all"),
        *("--nvtx", "--nvtx-include", NVTX_INCLUDE),
        *("--clock-control", "none", "--cache-control", "none" if session.warm else "all", "--replay-mode", "kernel"),
        *(("--set", preset.set) if preset.set else sections),
        *("--metrics", ",".join(preset.metrics(chip))),
        *(("--import-source", "yes") if preset.import_source else ()),
        *("--force-overwrite", "--export", str(session.report)),
        *(python, "-m", MODULE, str(session.plan)),
    ]


def run(words: Sequence[str], session: Session, launches: int = 1) -> ImmabenchError | None:
    """Carry out a command of `command`; what it says goes to the session's log. A report of an earlier run goes before.

    It is ended, with what it started, after `LAUNCH_SECONDS` for each of the `launches`.

    Raises MissingHardwareError, UsageError or ImmabenchError, in one line with a remedy, where it wrote no report.
    Returns the failure that its log tells of, for it may have written a report that holds nothing.
    """
    session.remove()
    session.log.parent.mkdir(parents=True, exist_ok=True)
    with session.log.open("w", encoding="utf-8") as log:
        try:
            code = _ended(words, log, launches * LAUNCH_SECONDS)
        except OSError as error:
            raise MissingHardwareError(f"{words[0]} cannot be run ({error.strerror})", INSTALL_NCU) from error
        except subprocess.TimeoutExpired as error:
            seconds = f"{error.timeout:g} s for {launches} launches"
            raise ImmabenchError(f"ncu did not end within {seconds} (log: {session.log})", "profile fewer") from error
    said = session.log.read_text(encoding="utf-8", errors="replace")
    failure = explained(said, session.log)
    if not session.report.exists():
        raise failure or ImmabenchError(
            f"ncu wrote no report (exit code {code}): {_last_line(said)}", f"see {session.log}"
        )
    return failure


def _ended(words: Sequence[str], log: TextIO, seconds: float) -> int:
    """Run a program to its end; whatever ends this one ends it too, and all that it started."""
    process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return process.wait(seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class _Failure:
    """What ncu says, a regular expression; what that means, with its groups put in; and what to do about it."""

    said: str
    message: str
    remedy: str
    error: type[ImmabenchError]


_NO_LAUNCH = "a case that failed launches nothing: see the .launches.json beside the log"
_CHECK_METRICS = "`immabench profile --check-metrics` says which metrics this ncu has; update Nsight Compute"
_DRIVER = "let ncu and the driver be of one CUDA release; a container needs the driver's profiling libraries too"
_OTHER_GPU = "update Nsight Compute; `ncu --list-chips` says what it knows"
_OTHER_PROFILER = "end it (dcgm, nsys, ncu), then profile again"

_FAILURES = (
    _Failure("ERR_NVGPUCTRPERM", "no permission to read GPU counters", COUNTERS_REMEDY, MissingHardwareError),
    _Failure(r"Failed to find metric (?:regex:)?\^?(\w+)", "ncu has no metric {0}", _CHECK_METRICS, UsageError),
    _Failure(r"Failed to initialize the profiler: (\w+)", "ncu cannot start ({0})", _DRIVER, MissingHardwareError),
    _Failure("not compatible with Nsight Compute", "ncu and the driver do not fit", _DRIVER, MissingHardwareError),
    _Failure("failed to connect to the CUDA driver", "ncu finds no CUDA driver", _DRIVER, MissingHardwareError),
    _Failure(
        r"Profiling is not supported on device (\d+)",
        "ncu does not support GPU {0}",
        _OTHER_GPU,
        MissingHardwareError,
    ),
    _Failure(
        "concurrently collecting profiling data",
        "another profiler has the GPU's counters",
        _OTHER_PROFILER,
        MissingHardwareError,
    ),
    _Failure("No kernels were profiled", "ncu saw no launch", _NO_LAUNCH, ImmabenchError),
)


def explained(said: str, log: Path) -> ImmabenchError | None:
    """The first failure that is known in what ncu said, with where that is kept; None where there is none."""
    for failure in _FAILURES:
        found = re.search(failure.said, said)
        if found:
            return failure.error(f"{failure.message.format(*found.groups())} (log: {log})", failure.remedy)
    return None


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def query_metrics(ncu: Path, chip: str | None) -> list[str]:
    """The base names of every metric of a chip, or of the GPU here without one.

    Raises MissingHardwareError where ncu cannot be run or lists none.
    """
    words = [str(ncu), "--query-metrics", *(("--chips", chip) if chip else ())]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=QUERY_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingHardwareError(f"{ncu} does not list its metrics ({error})", INSTALL_NCU) from error
    names = parse_query(done.stdout)
    if not names:
        what = f"of chip {chip}" if chip else "of a GPU here"
        raise MissingHardwareError(
            f"{ncu} lists no metric {what}", "give --chip; `ncu --list-chips` says which it knows"
        )
    return names
