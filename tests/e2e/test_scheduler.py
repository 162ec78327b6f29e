"""A sweep on dask workers loses nothing: not to a dying worker, a crashing job, `kill -9` or Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs immabench[scale]")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers follow their parents by a Linux call")

PARALLEL_SOURCE = '''
"""The configurations of `misbehaving`, untimed and on the emulated device, so that they run on dask workers."""
import os
from misbehaving_provider import Provider as Misbehaving

class Provider(Misbehaving):
    name = "parallel"
    IDS = (*Misbehaving.IDS, "deadly")
    def devices(self):
        return ("emulated",)
    def prepare(self, *arguments):
        if "deadly" in arguments:
            os.kill(os.getppid(), 9)  # the dask worker; this process follows it
        launch = super().prepare(*arguments)
        launch.timed = False
        return launch
'''
SHAPES = [argument for size in range(8, 38) for argument in ("--shape", f"{size}x8x8")]
SLOW = ["sweep", *SHAPES, "--provider", "parallel", "--kernel", "slow", "--no-ceilings"]
LOCAL = ["--scheduler", "local"]


@pytest.fixture
def parallel(misbehaving: str, install_provider: Callable[[str, str], Path]) -> str:
    """Install the provider `parallel`, misbehaving on emulated devices; its configuration deadly kills dask workers."""
    install_provider("parallel", PARALLEL_SOURCE)
    return "parallel"


@pytest.fixture
def address(parallel: str, tmp_path: Path) -> Iterator[str]:
    """The address of a running dask scheduler with two workers."""
    from distributed import Client

    environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(tmp_path)}
    file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(file), "--no-dashboard"]
    started = []
    try:
        for extra in (
            ["scheduler", "--host", "127.0.0.1", "--port", "0"],
            *[["worker", "--nthreads", "2", "--name", name] for name in ("first", "second")],
        ):
            command = [sys.executable, "-m", "dask", *extra, *options]
            started.append(
                subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            wait(file.exists)
        found = json.loads(file.read_text())["address"]
        with Client(found, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield found
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def test_a_worker_killed_in_mid_sweep_costs_no_row(parallel: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_and_wait_for_rows([*SLOW, *LOCAL], out, 3)
    before = dask_workers(process.pid)
    assert len(before) == len(os.sched_getaffinity(0))
    os.kill(before[0], signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert_complete(out)


@pytest.mark.slow
def test_killing_every_worker_again_and_again_costs_no_row(parallel: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_and_wait_for_rows([*SLOW, *LOCAL], out, 2)
    for rows in (2, 12, 20):
        wait(lambda rows=rows: len(lines(out)) >= rows and dask_workers(process.pid))
        for worker in dask_workers(process.pid):
            os.kill(worker, signal.SIGKILL)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert_complete(out)


def test_a_job_that_crashes_is_a_row_and_takes_no_worker_down(parallel: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    kernels = ("segfault", "exit", "raise", "wrong", "nohardware", "hang", "good")
    named = [argument for kernel in kernels for argument in ("--kernel", kernel)]
    done = run("sweep", "--shape", "8x8x8", "--shape", "9x8x8", *named, "--provider", "parallel", "--provider",
               "misbehaving", "--no-ceilings", "--timeout", "6", *LOCAL, "--out", str(out))  # fmt: skip
    assert done.returncode == 1, done.stderr
    rows = [json.loads(line) for line in lines(out)]
    statuses = {(row["provider"], row["kernel_id"]): row["status"] for row in rows}
    expected = ("crashed", "crashed", "error", "incorrect", "skipped", "timeout", "ok")
    assert statuses == {
        (provider, kernel): status
        for provider in ("parallel", "misbehaving")
        for kernel, status in zip(kernels, expected, strict=True)
    }
    assert len(rows) == 4 * len(kernels)
    assert {row["reason"] for row in rows if row["kernel_id"] == "segfault"} == {"the worker was killed by SIGSEGV"}
    # Timed CPU jobs go first, with nothing beside them.
    assert [row["device_kind"] for row in rows] == ["cpu"] * 14 + ["emulated"] * 14


def test_a_job_that_kills_dask_workers_is_given_up(parallel: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    kernels = ["--kernel", "deadly", "--kernel", "good"]
    done = run(
        "sweep", "--shape", "8x8x8", *kernels, "--provider", "parallel", "--no-ceilings", *LOCAL, "--out", str(out)
    )
    assert done.returncode == 1, done.stderr
    rows = {row["kernel_id"]: row for row in map(json.loads, lines(out))}
    assert (rows["deadly"]["status"], rows["good"]["status"]) == ("crashed", "ok")
    assert rows["deadly"]["reason"] == "4 dask workers died while they had this job"
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_cleanly_and_resumes_without_a_scheduler(parallel: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_and_wait_for_rows([*SLOW, *LOCAL], out, 2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"interrupted; continue with: immabench sweep --resume {out}" in stderr
    assert "Traceback" not in stderr
    assert len(lines(out)) < 30
    done = run("sweep", "--resume", str(out), "--no-ceilings")
    assert done.returncode == 0, done.stderr
    assert_complete(out)


def test_kill_9_of_the_client_leaves_nothing_and_resumes_with_a_scheduler(parallel: str, tmp_path: Path) -> None:
    import psutil

    out = tmp_path / "run"
    process = start_and_wait_for_rows([*SLOW, *LOCAL], out, 2)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert not psutil.wait_procs(family, timeout=60)[1]
    done = run("sweep", "--resume", str(out), "--no-ceilings", *LOCAL)
    assert done.returncode == 0, done.stderr
    assert_complete(out)


def test_a_running_scheduler_serves_one_sweep_after_another(address: str, tmp_path: Path) -> None:
    import psutil

    for name in ("first", "second"):
        done = run(*SLOW, "--scheduler", address, "--out", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert_complete(tmp_path / name)
    kept = [process for process in psutil.Process().children(recursive=True) if is_job_process(process)]
    psutil.wait_procs(kept, timeout=10)
    assert not [process for process in kept if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_scheduler_that_goes_away_is_one_line_and_resumes(address: str, parallel: str, tmp_path: Path) -> None:
    import psutil

    out = tmp_path / "run"
    process = start_and_wait_for_rows([*SLOW, "--scheduler", address], out, 2)
    (scheduler,) = (
        one for one in psutil.Process().children() if one.pid != process.pid and "scheduler" in one.cmdline()
    )
    scheduler.kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, stderr
    assert stderr.splitlines()[-1].startswith("immabench: lost the dask scheduler")
    assert "Traceback" not in stderr
    done = run("sweep", "--resume", str(out), "--no-ceilings")
    assert done.returncode == 0, done.stderr
    assert_complete(out)


def test_no_scheduler_there_is_one_line_and_no_folder(parallel: str, tmp_path: Path) -> None:
    started = time.monotonic()
    done = run(*SLOW, "--scheduler", "tcp://127.0.0.1:9", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stderr == (
        "immabench: no dask scheduler answers at tcp://127.0.0.1:9; "
        "start one with `dask scheduler`, or use --scheduler local\n"
    )
    assert time.monotonic() - started < 15
    assert not (tmp_path / "run").exists()


def assert_complete(out: Path) -> None:
    """Every planned row of SLOW is there, exactly once, and ok."""
    rows = [json.loads(line) for line in lines(out)]
    assert sorted(row["m"] for row in rows) == list(range(8, 38))
    assert {row["status"] for row in rows} == {"ok"}
    assert (out / "report.html").stat().st_size > 0


def dask_workers(pid: int) -> list[int]:
    """The dask workers below a sweep: whose children run jobs."""
    import psutil

    found = []
    for process in psutil.Process(pid).children():
        try:
            if any(is_job_process(child) for child in process.children()):
                found.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def is_job_process(process: object) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return "immabench.measure.worker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "immabench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def start_and_wait_for_rows(arguments: list[str], out: Path, count: int) -> subprocess.Popen[str]:
    """Start a sweep in a process group of its own and return once `count` rows are on disk."""
    command = [sys.executable, "-m", "immabench", *arguments, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait(lambda: len(lines(out)) >= count or process.poll() is not None)
    assert process.poll() is None, process.communicate()[1]
    return process


def lines(out: Path) -> list[str]:
    """The whole lines of rows.jsonl so far."""
    path = out / "rows.jsonl"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def wait(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)
