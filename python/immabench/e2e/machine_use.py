"""What this process takes of the machine, and what others do, as Linux counts it (proc(5))."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_STATUS, _CLEAR, _STAT = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/stat")
_RESET_PEAK = "5"


def resident_bytes() -> int | None:
    """What is resident now; None where the system does not say."""
    return _field("VmRSS")


def peak_bytes() -> int | None:
    """The most that was resident since `reset_peak`, or since the process began."""
    return _field("VmHWM")


def reset_peak() -> None:
    """Begin anew; where that is not allowed the peak stays that of the whole process."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")


class OtherWork:
    """What other processes take of the CPUs that this one may use, since this object was made."""

    IDLE = (3, 4)
    COUNTED = 8
    """Columns of a CPU in /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; guests are within user."""

    def __init__(self) -> None:
        self._busy, self._own, self._start = self._busy_seconds(), time.process_time(), time.monotonic()

    def share(self) -> float | None:
        """Of all the time of these CPUs, 0 to 1; None where the system does not say. Ticks are of 10 ms."""
        busy, elapsed = self._busy_seconds(), time.monotonic() - self._start
        if busy is None or self._busy is None or not elapsed:
            return None
        others = busy - self._busy - (time.process_time() - self._own)
        return min(1.0, max(0.0, others / (elapsed * len(os.sched_getaffinity(0)))))

    def _busy_seconds(self) -> float | None:
        try:
            lines = _STAT.read_text(encoding="ascii").splitlines()
            cpus = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
        except (OSError, AttributeError):
            return None
        columns = [line.split()[1 : 1 + self.COUNTED] for line in lines if line.split()[0] in cpus]
        ticks = sum(int(value) for cpu in columns for place, value in enumerate(cpu) if place not in self.IDLE)
        return ticks / os.sysconf("SC_CLK_TCK") if columns else None


def _field(name: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found[0]) if found else None
