"""Runs a command; prints its wall time, the processor time of its processes, and the most memory they held at once."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_SAMPLE_SECONDS = 0.2


def resident_bytes(session: int) -> Iterator[int]:
    """Resident memory of each living process of a session (proc(5), stat: field 6 is the session, 24 the pages)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == session:
            yield int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    start, peak = time.monotonic(), 0
    job = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, start_new_session=True)
    while job.poll() is None:
        peak = max(peak, sum(resident_bytes(job.pid)))
        time.sleep(_SAMPLE_SECONDS)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.monotonic() - start
    print(f"{seconds:6.1f} s wall, {usage.ru_utime + usage.ru_stime:6.1f} s processor, {peak / 2**20:6.0f} MiB")
    return job.returncode


if __name__ == "__main__":
    raise SystemExit(main())
