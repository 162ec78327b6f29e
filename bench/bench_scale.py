"""What a sweep of 100,000 rows costs besides its jobs: time a row and peak memory, from the plan to the report.

The worker's answer is made up: an emulated row with all its counts, other numbers in each. Everything else is the
real path: `run_sweep` into a run folder with an fsync a row, `remaining` as `--resume` does it, `rows.csv` and the
report. Each phase runs in the process a user would run it in: a fresh one, whose peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

ROWS = 100_000
ROWS_AS_TEST = 300
TARGET_MS = 5.0  # a row, all phases together, without the time inside fsync
TARGET_GB = 1.0  # peak resident memory of any process, 1e9 bytes
PHASES = ("sweep", "resume", "report")

PHASE = '''
import json, os, resource, sys, time
from pathlib import Path

phase, run, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
synced = 0.0
fsync = os.fsync

def timed_fsync(descriptor):
    global synced
    started = time.perf_counter()
    fsync(descriptor)
    synced += time.perf_counter() - started

os.fsync = timed_fsync
from immabench.measure import sweep
from immabench.measure.case import Job
from immabench.measure.plan import Planned
from immabench.measure.run_folder import RunFolder
from immabench.measure.worker_process import WorkerProcess
from immabench.problems import Problem

TILES = [f"imma_s8s8s32_{m}x{n}x64_w2x4_s{s}_sm80" for m in (32, 64, 128) for n in (64, 128, 256) for s in (2, 3, 4)]
MEMORY = ("requests", "bytes", "wavefronts", "ideal", "sectors")

def problem(i):
    return Problem(1 + i // 27, 64 + i % 7, 512, output_type="f16", row_scale="vector", col_scale="vector", bias=True)

def plan():
    names = (TILES[i % 27] for i in range(count))
    return [
        Planned(Job("scale", f"case {i // 27}", 1, problem(i), "handwritten", name, "emulated"))
        for i, name in enumerate(names)
    ]

def counts(i):
    # As of a real row: six kinds of access and nine source lines, no two numbers alike.
    kinds = ("ldmatrix", "shared_load", "shared_store", "global_load", "global_store", "async_copy")
    lines = [
        {"file": f"kernels/parts/part{n}.cuh", "line": 40 + n, "operation": "shared_load", "requests": i * 9 + n + 1000,
         "bytes": i * 10 + n + 2000, "units": i * 11 + n + 3000, "ideal": i * 12 + n + 3000, "unit": "wavefronts"}
        for n in range(9)
    ]
    shared = {name: {key: i * 13 + n * 7 + 1000 for key in MEMORY} for n, name in enumerate(kinds)}
    return {"mma": 4096 + i, "barriers": 192 + i, **shared, "lines": lines}

class Answers:
    """Stands in for the worker: the next answer, as text on a pipe would be read."""
    def __init__(self):
        self.made = 0
        self.asked = 0.0
    def __call__(self, request, timeout_seconds):
        started = time.perf_counter()
        job = Job.from_dict(request["job"])
        own = {"backend": "emulated:host-simt", "device": "a CPU", "verified": True, "hazards": 0}
        row = job.row("ok", counts=counts(self.made), **own)
        text = json.dumps({"row": row.model_dump(mode="json"), "times_us": []})
        self.made += 1
        self.asked += time.perf_counter() - started
        return json.loads(text)

answers = Answers()
WorkerProcess.ask = answers
limits = sweep.Limits(measure_ceilings=False)
started = time.perf_counter()
if phase == "sweep":
    folder = RunFolder.create(run, meta={"ceilings": None, "suite": "scale"})
    written = sum(1 for _ in sweep.run_sweep(plan(), folder, limits))
elif phase == "resume":
    folder = RunFolder.open(run)
    folder.drop_torn_line()
    left = sweep.remaining(plan(), folder)
    written = count - len(left) + sum(1 for _ in sweep.run_sweep(left, folder, limits))
else:
    sweep.finish(RunFolder.open(run))
    written = (run / "rows.csv").read_bytes().count(b"\\n") - 1
seconds = time.perf_counter() - started - answers.asked
assert written == count, (phase, written)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds - synced, "fsync": synced, "peak": peak}))
'''


def test_100_000_rows(benchmark: BenchmarkFixture, figure: Callable[[str], None], tmp_path: Path) -> None:
    count = ROWS if benchmark.enabled else ROWS_AS_TEST
    out = tmp_path / "run"
    found: dict[str, dict[str, float]] = {}

    def all_phases() -> None:
        for phase in PHASES:
            found[phase] = _phase(phase, out, count)

    benchmark.pedantic(all_phases, rounds=1)
    page = (out / "report.html").stat().st_size
    assert (out / "rows.csv").stat().st_size > 0
    if benchmark.stats:
        total = sum(one["seconds"] for one in found.values()) / count * 1e3
        peak = max(one["peak"] for one in found.values()) / 1e9
        benchmark.extra_info |= {"ms_a_row": total, "peak_gb": peak, "targets": [TARGET_MS, TARGET_GB], **found}
        figure(
            f"{count:,} rows: {total:.2f} ms a row (target {TARGET_MS:g}), peak {peak:.2f} GB (target {TARGET_GB:g})"
        )
        for phase, one in found.items():
            each, synced = (one[name] / count * 1e3 for name in ("seconds", "fsync"))
            figure(f"  {phase}: {each:.3f} ms a row, and {synced:.3f} ms in fsync; peak {one['peak'] / 1e9:.2f} GB")
        size = (out / "rows.jsonl").stat().st_size
        figure(f"  rows.jsonl {size / 1e6:,.0f} MB, report.html {page / 1e6:,.1f} MB")
        assert total <= TARGET_MS
        assert peak <= TARGET_GB


def _phase(phase: str, out: Path, count: int) -> dict[str, float]:
    command = [sys.executable, "-c", PHASE, phase, str(out), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values
