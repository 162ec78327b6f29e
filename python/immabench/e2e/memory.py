"""Resident memory of this process, as Linux counts it (proc(5): `VmRSS`, `VmHWM`, `clear_refs`)."""

from __future__ import annotations

import contextlib
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
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


def _field(name: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found[0]) if found else None
