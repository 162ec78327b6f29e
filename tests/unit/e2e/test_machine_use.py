"""Memory and CPU time, seen by doing something with them."""

from __future__ import annotations

import subprocess
import sys
import time
from mmap import PAGESIZE, mmap

import pytest

from immabench.e2e import machine_use

MIB = 1 << 20

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(machine_use.resident_bytes() is None, reason="the system does not say: no /proc"),
]


def test_the_peak_is_seen_and_forgotten() -> None:
    machine_use.reset_peak()
    before = machine_use.resident_bytes() or 0
    with mmap(-1, 64 * MIB) as fresh:  # pages of its own: an allocator may give memory that is resident already
        for page in range(0, len(fresh), PAGESIZE):
            fresh[page] = 1
    # What else is freed meanwhile is no more than the other half.
    assert (machine_use.peak_bytes() or 0) - before > 32 * MIB


def test_own_work_is_not_others() -> None:
    seen = machine_use.OtherWork()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.6)
        with_child = seen.share()
    finally:
        child.kill()
        child.wait()
    assert with_child is not None
    # One of all cores for most of the time; the child starts within it.
    assert with_child > 0.3 / len(machine_use.os.sched_getaffinity(0))
    assert with_child <= 1


def test_a_busy_process_is_not_its_own_other(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = iter([10.0, 12.5])
    wall, own = iter([0.0, 5.0]), iter([1.0, 3.0])
    monkeypatch.setattr(machine_use.OtherWork, "_busy_seconds", lambda _: next(cpu))
    monkeypatch.setattr(machine_use.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(machine_use.time, "monotonic", lambda: next(wall))
    monkeypatch.setattr(machine_use.time, "process_time", lambda: next(own))
    assert machine_use.OtherWork().share() == 0.05, "2.5 s were busy, 2 of them its own, of 2 x 5 s"
